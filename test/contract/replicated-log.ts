// What every ReplicatedLog home promises. replicated-log.test.ts runs it against each.
import { describe, expect, test } from 'vitest';
import { LogtierError } from '../../src/base/errors.ts';
import {
  type CommittedItem,
  isSnapshot,
  type LogEntry,
  type LogIndex,
  type ReplicatedLog,
  type SnapshotProvider,
} from '../../src/metastore/log/replicated-log.ts';
import { committedEntries } from '../support/committed-entries.ts';

/** One group; its log is opened in it again and again. */
export interface LogHome {
  /** The leading member's log, able to commit. */
  open(): Promise<ReplicatedLog>;
  /** Ends the open log as kill -9 would. */
  kill(): Promise<void>;
  /** Largest command the home takes. */
  readonly maxCommandBytes: number;
  remove(): Promise<void>;
}

const NEVER = new AbortController().signal;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function printed(entry: LogEntry): string {
  return `${entry.index} ${new TextDecoder().decode(entry.command)}`;
}

/** A state machine that has applied all there is whenever it is asked. */
function providerOf(applied: () => LogIndex, content: Uint8Array): SnapshotProvider {
  return {
    take: () =>
      Promise.resolve({
        index: applied(),
        term: 1n,
        content: async function* () {
          yield await Promise.resolve(content);
        },
        close: () => Promise.resolve(),
      }),
  };
}

function diskFull(): Promise<void> {
  return Promise.reject(new LogtierError('DISK_FULL', 'no room for the snapshot'));
}

/** Entries after `after` up to `last`. */
async function entriesUpTo(
  log: ReplicatedLog,
  after: LogIndex,
  last: LogIndex,
): Promise<LogEntry[]> {
  const seen: LogEntry[] = [];
  if (after >= last) return seen;
  for await (const entries of committedEntries(log, after)) {
    seen.push(...entries);
    if ((seen.at(-1)?.index ?? 0n) >= last) break;
  }
  return seen.filter(({ index }) => index <= last);
}

/** The commands among entries 1 to `last`; entries without one open terms. */
async function commandsUpTo(log: ReplicatedLog, last: LogIndex): Promise<string[]> {
  const entries = await entriesUpTo(log, 0n, last);
  return entries.filter(({ command }) => command.length > 0).map(printed);
}

export function replicatedLogContract(name: string, createHome: () => Promise<LogHome>): void {
  async function withHome(use: (home: LogHome) => Promise<void>): Promise<void> {
    const home = await createHome();
    try {
      await use(home);
    } finally {
      await home.remove();
    }
  }
  const withLog = (use: (log: ReplicatedLog, home: LogHome) => Promise<void>): Promise<void> =>
    withHome(async (home) => {
      await use(await home.open(), home);
    });

  describe(`the ${name} log`, () => {
    test('commits commands in the order proposed, each once, under rising indexes', () =>
      withLog(async (log) => {
        const indexes: LogIndex[] = [];
        for (let at = 0; at < 20; at += 1) indexes.push(await log.propose(encode(`c${at}`), NEVER));
        const expected = indexes.map((index, at) => `${index} c${at}`);
        expect(await commandsUpTo(log, indexes.at(-1)!)).toEqual(expected);
        expect(indexes).toEqual(indexes.toSorted((left, right) => Number(left - right)));
        expect(log.status()).toMatchObject({ role: 'leader', failure: undefined });
        expect(log.status().committed).toBeGreaterThanOrEqual(indexes.at(-1)!);
      }));

    test('numbers entries from 1 without a gap, with terms that never fall', () =>
      withLog(async (log) => {
        const last = await log.propose(encode('x'), NEVER);
        const entries = await entriesUpTo(log, 0n, last);
        expect(entries.map(({ index }) => index)).toEqual(
          Array.from({ length: Number(last) }, (_, at) => BigInt(at + 1)),
        );
        const terms = entries.map(({ term }) => Number(term));
        expect(terms).toEqual(terms.toSorted((left, right) => left - right));
      }));

    test('takes concurrent proposals, each under its own index', () =>
      withLog(async (log) => {
        const indexes = await Promise.all(
          Array.from({ length: 300 }, (_, at) => log.propose(encode(`c${at}`), NEVER)),
        );
        expect(new Set(indexes).size).toBe(300);
        const last = indexes.reduce((left, right) => (left > right ? left : right));
        const expected = indexes.map((index, at) => `${index} c${at}`);
        expect((await commandsUpTo(log, last)).toSorted()).toEqual(expected.toSorted());
      }));

    test('a reader gets what was there and then what comes, wherever it begins', () =>
      withLog(async (log) => {
        const first = await log.propose(encode('before'), NEVER);
        const seen: string[] = [];
        const reading = (async () => {
          for await (const entries of committedEntries(log, first - 1n)) {
            seen.push(...entries.map(printed));
            if (seen.length === 3) return;
          }
        })();
        const second = await log.propose(encode('during'), NEVER);
        const third = await log.propose(encode('after'), NEVER);
        await reading;
        expect(seen).toEqual([`${first} before`, `${second} during`, `${third} after`]);
        const late = await entriesUpTo(log, second, third);
        expect(late.map(printed)).toEqual([`${third} after`]);
      }));

    test('two readers see the same, and one that left takes nothing from the other', () =>
      withLog(async (log) => {
        const indexes = await Promise.all(
          ['a', 'b', 'c'].map((text) => log.propose(encode(text), NEVER)),
        );
        const last = indexes.at(-1)!;
        for await (const entries of committedEntries(log, 0n)) {
          expect(entries.length).toBeGreaterThan(0);
          break;
        }
        const all = await Promise.all([commandsUpTo(log, last), commandsUpTo(log, last)]);
        expect(all[0]).toEqual(all[1]);
        expect(all[0]).toHaveLength(3);
      }));

    test('a command with an outcome has it before a later read barrier answers', () =>
      withLog(async (log) => {
        for (let at = 0; at < 20; at += 1) {
          const index = await log.propose(encode(`c${at}`), NEVER);
          expect(await log.readBarrier(NEVER)).toBeGreaterThanOrEqual(index);
        }
      }));

    test('takes a command of the largest size, and surely not a larger one', () =>
      withLog(async (log, home) => {
        const largest = new Uint8Array(home.maxCommandBytes).fill(7);
        const index = await log.propose(largest, NEVER);
        const [stored] = await entriesUpTo(log, index - 1n, index);
        expect(Buffer.compare(stored!.command, largest)).toBe(0);
        await expect(
          log.propose(new Uint8Array(home.maxCommandBytes + 1), NEVER),
        ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
        expect(await log.readBarrier(NEVER)).toBe(index);
      }));

    test('stopped and opened again, it knows every acknowledged command and goes on behind them', () =>
      withHome(async (home) => {
        const acknowledged: string[] = [];
        for (let life = 0; life < 3; life += 1) {
          const log = await home.open();
          for (let at = 0; at < 10; at += 1) {
            const text = `life ${life} command ${at}`;
            acknowledged.push(`${await log.propose(encode(text), NEVER)} ${text}`);
          }
          expect(await commandsUpTo(log, log.status().committed)).toEqual(acknowledged);
          await log.stop();
        }
      }));

    test('killed with proposals under way, it keeps all that was acknowledged and no part of a command', () =>
      withHome(async (home) => {
        const acknowledged = new Map<LogIndex, string>();
        const proposed = new Set<string>();
        for (let life = 0; life < 4; life += 1) {
          const log = await home.open();
          for (const entry of await entriesUpTo(log, 0n, log.status().committed)) {
            const text = new TextDecoder().decode(entry.command);
            if (text !== '') expect(proposed).toContain(text);
            const known = acknowledged.get(entry.index);
            if (known !== undefined) expect(text).toBe(known);
            acknowledged.delete(entry.index);
          }
          expect(acknowledged.size).toBe(0);
          const proposals = Array.from({ length: 50 }, async (_, at) => {
            const text = `life ${life} command ${at}`;
            proposed.add(text);
            const index = await log.propose(encode(text), NEVER);
            acknowledged.set(index, text);
          });
          await Promise.race(proposals);
          await home.kill();
          await Promise.allSettled(proposals);
        }
      }));

    test('compaction first makes the snapshot durable, then lets entries go and keeps the later ones', () =>
      withHome(async (home) => {
        const log = await home.open();
        const indexes: LogIndex[] = [];
        for (let at = 0; at < 40; at += 1) {
          indexes.push(await log.propose(encode(`c${at} ${'.'.repeat(200)}`), NEVER));
        }
        const index = indexes[29]!;
        let firstIndexThen: LogIndex | undefined;
        const makeDurable = (): Promise<void> => {
          firstIndexThen = log.status().firstIndex;
          return Promise.resolve();
        };
        await log.compact({ index, makeDurable });
        expect(firstIndexThen).toBe(1n);
        const { firstIndex } = log.status();
        expect(firstIndex).toBeLessThanOrEqual(index + 1n);
        const later = await entriesUpTo(log, index, indexes.at(-1)!);
        expect(later.map((entry) => entry.index)).toEqual(indexes.slice(30));
        await log.stop();
        const again = await home.open();
        const kept = await entriesUpTo(again, index, indexes.at(-1)!);
        expect(kept.map(printed)).toEqual(later.map(printed));
        const next = await again.propose(encode('next'), NEVER);
        expect(next).toBeGreaterThan(indexes.at(-1)!);
      }));

    test('a reader whose entries are gone gets COMPACTED, or a snapshot and what follows it', () =>
      withLog(async (log) => {
        const content = encode('everything so far');
        const indexes: LogIndex[] = [];
        const provider = providerOf(() => indexes.at(-1) ?? 0n, content);
        log.serveSnapshotsOf(provider);
        for (let at = 0; at < 60; at += 1) {
          indexes.push(await log.propose(encode(`c${at} ${'.'.repeat(200)}`), NEVER));
        }
        const index = indexes.at(-1)!;
        await log.compact({ index, makeDurable: () => Promise.resolve() });
        const next = await log.propose(encode('next'), NEVER);
        const seen: CommittedItem[] = [];
        const reading = (async () => {
          for await (const item of log.committed(0n)) {
            seen.push(item);
            if (!isSnapshot(item) && (item.at(-1)?.index ?? 0n) >= next) return 'read';
          }
          return 'ended';
        })();
        const outcome = await reading.catch((error: unknown) => error);
        const snapshot = seen.find(isSnapshot);
        const entries = seen.flatMap((item) => (isSnapshot(item) ? [] : item));
        if (outcome !== 'read') {
          expect([outcome, seen]).toEqual([expect.objectContaining({ code: 'COMPACTED' }), []]);
          return;
        }
        const first = (snapshot?.index ?? 0n) + 1n;
        expect(entries.map((entry) => entry.index)).toEqual(
          Array.from({ length: Number(next - first) + 1 }, (_, at) => first + BigInt(at)),
        );
        if (snapshot === undefined) return;
        expect(seen.filter(isSnapshot)).toHaveLength(1);
        const chunks: Uint8Array[] = [];
        for await (const chunk of snapshot.content(NEVER)) chunks.push(chunk);
        expect(Buffer.concat(chunks).toString()).toBe('everything so far');
      }));

    test('compaction drops nothing when the snapshot cannot be made durable', () =>
      withLog(async (log) => {
        const index = await log.propose(encode('precious'), NEVER);
        await expect(log.compact({ index, makeDurable: diskFull })).rejects.toMatchObject({
          code: 'DISK_FULL',
        });
        expect(log.status().firstIndex).toBe(1n);
        expect((await commandsUpTo(log, index)).at(-1)).toBe(`${index} precious`);
      }));

    test('compaction beyond the committed index is refused, and below the last one does nothing', () =>
      withLog(async (log) => {
        const index = await log.propose(encode('x'), NEVER);
        const steps: LogIndex[] = [];
        const compact = (at: LogIndex): Promise<void> =>
          log.compact({ index: at, makeDurable: async () => void steps.push(at) });
        await expect(compact(index + 1n)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
        await compact(index);
        await compact(index);
        await compact(index - 1n);
        expect(steps).toEqual([index]);
      }));

    test('after stop proposals and barriers are surely not taken, and readers end', () =>
      withLog(async (log) => {
        const index = await log.propose(encode('x'), NEVER);
        let seen = 0n;
        const reading = (async () => {
          for await (const entries of committedEntries(log, 0n)) seen = entries.at(-1)!.index;
          return seen;
        })();
        const waiting = committedEntries(log, index)[Symbol.asyncIterator]().next();
        await expect.poll(() => seen, { timeout: 60_000 }).toBe(index);
        await Promise.all([log.stop(), log.stop()]);
        expect(await reading).toBe(index);
        expect(await waiting).toEqual({ done: true, value: undefined });
        await expect(log.propose(encode('y'), NEVER)).rejects.toMatchObject({ code: 'NOT_LEADER' });
        await expect(log.readBarrier(NEVER)).rejects.toMatchObject({ code: 'NOT_LEADER' });
      }));

    test('proposals under way when it stops are all settled', () =>
      withHome(async (home) => {
        const log = await home.open();
        const proposals = Array.from({ length: 50 }, (_, at) =>
          log.propose(encode(`${at}`), NEVER),
        );
        await log.stop();
        const outcomes = await Promise.allSettled(proposals);
        const again = await home.open();
        const commands = await commandsUpTo(again, again.status().committed);
        outcomes.forEach((outcome, at) => {
          if (outcome.status === 'fulfilled') expect(commands).toContain(`${outcome.value} ${at}`);
          else expect(outcome.reason).toMatchObject({ code: expect.stringMatching(/^(NOT_|OUT)/) });
        });
      }));

    test('a proposal whose signal fired before is surely not taken and says why', () =>
      withLog(async (log) => {
        const before = await log.readBarrier(NEVER);
        const gone = AbortSignal.abort(new LogtierError('DEADLINE_EXCEEDED', 'too late'));
        await expect(log.propose(encode('x'), gone)).rejects.toMatchObject({
          code: 'DEADLINE_EXCEEDED',
        });
        await expect(log.readBarrier(gone)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
        expect(await log.readBarrier(NEVER)).toBe(before);
      }));

    test('a wait aborted under way has an unknown outcome, and disturbs no other', () =>
      withLog(async (log) => {
        const controller = new AbortController();
        const aborted = log.propose(encode('aborted'), controller.signal);
        const other = log.propose(encode('other'), NEVER);
        controller.abort();
        await expect(aborted).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
        const index = await other;
        expect((await commandsUpTo(log, index)).at(-1)).toBe(`${index} other`);
      }));
  });
}
