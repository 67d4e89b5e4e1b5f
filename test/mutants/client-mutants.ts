// Breaks of the metastore's client: command channel and local view.
import { SIMULATOR, type ShellMutant } from './shell-mutant.ts';

const CLIENT_TESTS = 'test/unit/metastore/client';

export const clientMutants: readonly ShellMutant[] = [
  {
    bug: 'a renewed session sends old commands again',
    file: 'client/command-channel.ts',
    find: "waiting.reject(unknownOutcome('the session ended before the answer came', answer));",
    replace: 'this.queue.unshift(waiting);',
    noticedBy: CLIENT_TESTS,
  },
  {
    bug: 'answers go to other commands of the same call',
    file: 'client/command-channel.ts',
    find: 'const bySeq = new Map(results.map((result) => [result.seq, result]));',
    replace:
      'const bySeq = new Map(results.map((result, at) => [commands[commands.length - 1 - at]?.seq ?? 0n, result]));',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'an unknown outcome is told as one that was never sent',
    file: 'client/command-channel.ts',
    find: "if (waiting.isSent) waiting.reject(unknownOutcome('nobody waits for it any more', cause));",
    replace: 'if (waiting.isSent) waiting.reject(cause);',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a partition is loaded before the feed tells of it',
    file: 'client/local-view.ts',
    find: 'if (!this.covered.has(key)) isAllCovered = false;\n      else if',
    replace: 'if (!this.covered.has(key)) isAllCovered = false;\n      if',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'what happened while a partition was loaded is lost',
    file: 'client/view-store.ts',
    find: 'const whole = load.changes.filter(isLater).reduce(changed, start);',
    replace:
      'const whole = load.changes.filter((one) => isLater(one) && load.changes.length < 0).reduce(changed, start);',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a cut-off view goes on answering',
    file: 'client/local-view.ts',
    find: 'if (silentMs <= this.settings.freshMs) return;',
    replace: 'if (silentMs <= this.settings.freshMs * 100) return;',
    noticedBy: CLIENT_TESTS,
  },
  {
    bug: 'a view counts as fresh from when the answer came, not from when it asked',
    file: 'client/local-view.ts',
    find: 'this.freshAtMs = askedMs;',
    replace: 'this.freshAtMs = clock.monotonicMs() + (askedMs - askedMs);',
    noticedBy: CLIENT_TESTS,
  },
  {
    bug: 'a view of another history is kept',
    file: 'client/local-view.ts',
    find: 'this.rebuild();\n        }\n        if (!refilter',
    replace: '}\n        if (!refilter',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a half-filled view answers',
    file: 'client/local-view.ts',
    find: '[...this.wanted.values()].every(({ id }) => next.isComplete(id));',
    replace:
      '[...this.wanted.values()].every(({ id }) => next.isComplete(id) || next.isLoading(id));',
    noticedBy: CLIENT_TESTS,
  },
  {
    bug: 'rows of a view reach the disk without their position',
    file: 'client/disk-view-home.ts',
    find: 'if (position !== undefined) writes.push(positionWrite(generation, position));',
    replace:
      'if (position !== undefined && changes.length === 0) writes.push(positionWrite(generation, position));',
    noticedBy: CLIENT_TESTS,
  },
  {
    bug: 'what comes after a call that cannot be repeated leaves a gap',
    file: 'client/command-channel.ts',
    find: 'a new session begins at one.\n      this.session = undefined;',
    replace: 'a new session begins at one.',
    noticedBy: CLIENT_TESTS,
  },
  {
    bug: 'a view counts as whole before it is',
    file: 'client/disk-view-home.ts',
    find: 'this.write(allOf(this.newest));',
    replace: 'this.write([...allOf(this.newest), this.headWrite(this.newest)]);',
    noticedBy: CLIENT_TESTS,
  },
];
