// Deliberate breaks of what is around the Raft core: log files, log, member, service, catalog, client.
// test/mutants/README.md says how to read them.
import { clientMutants } from './client-mutants.ts';
import type { ShellMutant } from './shell-mutant.ts';
import { SIMULATOR } from './shell-mutant.ts';

const WAL_TESTS = 'test/unit/metastore/wal';
const LOG_TESTS = 'test/unit/metastore/log/raft-log';
const LOG_CONTRACT = 'test/contract/replicated-log.test.ts';
const MEMBER_TESTS = 'test/unit/metastore/member';
const SERVICE_TESTS = 'test/unit/metastore/service';
const SERVICE_CONTRACT = 'test/contract/catalog-service.test.ts';
const CATALOG_TESTS = 'test/unit/metastore/catalog';

const walMutants: readonly ShellMutant[] = [
  {
    bug: 'an append is answered before it is on disk',
    file: 'wal/wal.ts',
    find: 'await this.current.file.datasync();',
    replace: '',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'the log goes on after a failed fdatasync',
    file: 'wal/wal.ts',
    find: 'if (this.broken !== undefined) throw this.broken;',
    replace: '',
    noticedBy: WAL_TESTS,
  },
  {
    bug: 'damage in the middle of the log counts as a torn tail',
    file: 'wal/recovery.ts',
    find: 'if (header === undefined || header.durable < bad) continue;',
    replace: 'if (header === undefined || header.durable < bad + 1e9) continue;',
    noticedBy: WAL_TESTS,
  },
  {
    bug: 'what a crash left behind the good records is not mended',
    file: 'wal/open-wal.ts',
    find: 'await mendTail(file, tail);',
    replace: 'if (tail.end < 0) await mendTail(file, tail);',
    noticedBy: WAL_TESTS,
  },
  {
    bug: "a new log file's name is not made durable",
    file: 'wal/begin-file.ts',
    find: 'await disk.syncDirectory(directory);',
    replace: '',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a new log file does not repeat what is not an entry',
    file: 'wal/wal.ts',
    find: `      ...(hardState === undefined ? [] : [{ kind: 'hardState' as const, ...hardState }]),`,
    replace: '',
    noticedBy: WAL_TESTS,
  },
  {
    bug: 'log files go that hold entries above the snapshot',
    file: 'wal/wal.ts',
    find: 'if ((entries.endOf(oldest.seq) ?? 0n) > index + 1n) return;',
    replace: '',
    noticedBy: WAL_TESTS,
  },
];

const logMutants: readonly ShellMutant[] = [
  {
    bug: 'an answer to a read from before a stall is believed',
    file: 'log/raft-log/read-rounds.ts',
    find: 'this.rounds.clear();',
    replace: '',
    noticedBy: LOG_TESTS,
  },
  {
    bug: 'votes and acknowledgements leave before their write is durable',
    file: 'log/raft-log/durable-log.ts',
    find: 'await this.deps.writer.write(message);',
    replace: 'this.deps.writer.write(message).catch(() => undefined);',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a new term is not written',
    file: 'log/raft-log/log-writer.ts',
    find: 'if (term === this.written.term && vote === this.written.vote) return [];',
    replace: 'if (term > 0 || vote === this.written.vote) return [];',
    noticedBy: LOG_TESTS,
  },
  {
    bug: 'the log is cut before the catalog is durable',
    file: 'log/raft-log/compaction.ts',
    find: 'await snapshot.makeDurable();',
    replace: '',
    noticedBy: LOG_CONTRACT,
  },
  {
    bug: 'the entry behind a snapshot is skipped',
    file: 'log/raft-log/committed-feed.ts',
    find: 'last = Number(offer.snapshot.index);',
    replace: 'last = Number(offer.snapshot.index) + 1;',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a snapshot is recorded before it is installed',
    file: 'log/raft-log/durable-log.ts',
    find: 'await feed.install({',
    replace: 'void feed.install({',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a command that may be committed is told as surely not taken',
    file: 'log/raft-log/proposals.ts',
    find: "proposal.settle(new LogtierError('OUTCOME_UNKNOWN', `a command may be committed: ${why}`));",
    replace:
      "proposal.settle(new LogtierError('NOT_LEADER', `a command may be committed: ${why}`));",
    noticedBy: LOG_TESTS,
  },
  {
    bug: 'a read is answered without asking the other members',
    file: 'log/raft-log/raft-log.ts',
    find: 'return await this.reads.add(signal);',
    replace: 'return await Promise.resolve(BigInt(this.feed.index));',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a change of the group that comes to nothing is waited for for ever',
    file: 'log/raft-log/group-changes.ts',
    find: 'const isPending = pendingConfIndex > applied ||',
    replace: 'const isPending = pendingConfIndex < applied - 1e9 ||',
    noticedBy: SIMULATOR,
  },
  {
    bug: "a restored group's log can be replayed over an empty catalog",
    file: 'log/raft-log/open-raft-log.ts',
    find: 'const isRestored = index > 0n &&',
    replace: 'const isRestored = index < 0n &&',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a snapshot that was installed, and not recorded before a crash, is forgotten',
    file: 'log/raft-log/open-raft-log.ts',
    find: 'if (index === 0n || wal.termOf(index) === term) return;',
    replace: 'if (index >= 0n || wal.termOf(index) === term) return;',
    noticedBy: LOG_TESTS,
  },
  {
    bug: 'a voter begins before the others have agreed with whom',
    file: 'log/raft-log/meet-voters.ts',
    find: '  await Promise.all(others.map((peer) => ask(peer, agreed)));',
    replace: '  void others;',
    noticedBy: LOG_TESTS,
  },
  {
    bug: 'a voter forgets with a restart with whom it has agreed to begin',
    file: 'log/raft-log/founders.ts',
    find: 'return new Founders(disk, directory, founding, kept);',
    replace: 'return new Founders(disk, directory, founding, []);',
    noticedBy: LOG_TESTS,
  },
];

const memberMutants: readonly ShellMutant[] = [
  {
    bug: 'an installed engine is named before it is durable',
    file: 'member/engine-home.ts',
    find: 'await engine.flush();',
    replace: '',
    noticedBy: MEMBER_TESTS,
  },
  {
    bug: 'the next start does not find the installed engine',
    file: 'member/engine-home.ts',
    find: 'await pointTo(disk, this.directory, name);',
    replace: '',
    noticedBy: MEMBER_TESTS,
  },
  {
    bug: 'a snapshot of another metastore is installed',
    file: 'member/install-snapshot.ts',
    find: 'requireOurs(header, before, snapshot);',
    replace: 'void [header, requireOurs];',
    noticedBy: MEMBER_TESTS,
  },
  {
    bug: 'rows remembered from before a snapshot are used after it',
    file: 'member/catalog-member.ts',
    find: 'this.rows.clear();',
    replace: '',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'the feed in memory goes on over the gap that a snapshot leaves',
    file: 'member/catalog-member.ts',
    find: 'this.tail = new FeedTail(this.revision);',
    replace: '',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a restore does not raise the incarnation',
    file: 'member/restore.ts',
    find: 'const incarnation = before.incarnation + 1;',
    replace: 'const { incarnation } = before;',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'the log is cut up to what was applied during the flush',
    file: 'member/housekeeping.ts',
    find: 'await log.compact({ index, makeDurable: () => engine.flush() });',
    replace:
      'await engine.flush(); await log.compact({ index: index < 0n ? index : this.host.state().appliedIndex, makeDurable: () => Promise.resolve() });',
    noticedBy: MEMBER_TESTS,
  },
];

const serviceMutants: readonly ShellMutant[] = [
  {
    bug: 'a watcher that comes back misses what happened meanwhile',
    file: 'service/watch.ts',
    find: 'if (isKnown) return after;',
    replace: 'if (isKnown) return now;',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a revision comes in several messages',
    file: 'service/watch.ts',
    find: 'if (own.length > 0) yield { revision, events: own, progress: false };',
    replace: 'for (const one of own) yield { revision, events: [one], progress: false };',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a query is answered from what this member happens to have',
    file: 'service/catalog-service.ts',
    find: 'await member.barrier(signal);',
    replace: 'void signal;',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a list shows what this member happens to have',
    file: 'service/list-segments.ts',
    find: 'await member.barrier(signal);',
    replace: '',
    noticedBy: SERVICE_TESTS,
  },
  {
    bug: 'who holds no partition of a topic never hears that the topic is new',
    file: 'service/watch.ts',
    find: 'return this.holds(partition) || this.isNewTopic(event.value, revision);',
    replace: 'return this.holds(partition);',
    noticedBy: SERVICE_CONTRACT,
  },
];

const catalogMutants: readonly ShellMutant[] = [
  {
    bug: 'a repeated command is applied again',
    file: 'catalog/sessions.ts',
    find: 'if (command.seq === session.highestSeq + 1n)',
    replace: 'if (command.seq <= session.highestSeq + 1n)',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a command is applied although one before it is missing',
    file: 'catalog/sessions.ts',
    find: 'if (command.seq === session.highestSeq + 1n)',
    replace: 'if (command.seq > session.highestSeq)',
    noticedBy: CATALOG_TESTS,
  },
  {
    bug: 'a command of an older token takes effect',
    file: 'catalog/partition.ts',
    find: 'if (claim === undefined || !sameToken(tokenOf(claim.fenceToken), tokenOf(command.fenceToken))) {',
    replace:
      'if (claim === undefined || (claim.released && !sameToken(tokenOf(claim.fenceToken), tokenOf(command.fenceToken)))) {',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a broker claims at an epoch that is over',
    file: 'catalog/commands/claim-partition.ts',
    find: 'if (command.leaderEpoch < before.leaderEpoch) {',
    replace: 'if (command.leaderEpoch < 0) {',
    noticedBy: CATALOG_TESTS,
  },
  {
    bug: 'a late intent begins a copy once more',
    file: 'catalog/commands/copy.ts',
    find: 'if (isSpent || command.intentNumber <= held.claim.lastIntentNumber) {',
    replace: 'if (isSpent) {',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'a copy of an earlier claim is finished',
    file: 'catalog/commands/copy.ts',
    find: "if (!isOwn(held)) return refuse('FENCED_LEADER_EPOCH', 'the copy belongs to an earlier claim');\n  return await",
    replace: 'return await',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'an object that a late writer may still write leaves the queue',
    file: 'catalog/commands/erasing.ts',
    find: '(entry.passes === 0 || entry.dueMs > context.state.clockMs)',
    replace: 'entry.passes === 0',
    noticedBy: SIMULATOR,
  },
  {
    bug: 'an aborted finished copy is deleted',
    file: 'catalog/commands/end-segment.ts',
    find: "      return refuse('ILLEGAL_TRANSITION', `the copy of segment ${held.id} is finished`);",
    replace: `      await beginDelete(context, held, { reason: DeleteReason.ABORTED });
      return done();`,
    noticedBy: SIMULATOR,
  },
];

export const shellMutants: readonly ShellMutant[] = [
  ...walMutants,
  ...logMutants,
  ...memberMutants,
  ...serviceMutants,
  ...catalogMutants,
  ...clientMutants,
];
