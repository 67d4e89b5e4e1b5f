// Histories of a real metastore that is killed and stands still have an order that its rules allow.
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkerBinary, checkHistory } from '../linearizability/checker.ts';
import { Clients } from '../linearizability/clients.ts';
import type { HistoryLine, Operation, Outcome } from '../linearizability/history.ts';
import { trouble } from '../linearizability/nemesis.ts';
import { startMetastore } from '../support/sidecar-process.ts';

/** Standstills and kills in turn. A kill costs seconds: the member begins anew. */
const ROUNDS = Number(process.env['LINEARIZABILITY_ROUNDS'] ?? 3);
const CLIENTS = 8;
const PARTITIONS = 4;

let planted: string;

beforeAll(async () => {
  await checkerBinary();
  planted = await newDirectory();
});

afterAll(async () => {
  await fs.rm(planted, { recursive: true, force: true });
});

function newDirectory(): Promise<string> {
  return fs.mkdtemp(join(tmpdir(), 'logtier-history-'));
}

/** What nobody can see any more of a partition that was claimed. */
function withStaleRead(lines: readonly HistoryLine[]): HistoryLine[] {
  const claim = lines.find(({ op, outcome }) => op === 'claim' && outcome === 'ok');
  const last = lines.reduce((latest, { call, return: end = call }) => Math.max(latest, end), 0);
  const nobody = { op: 'read-claim', outcome: 'ok', token: 0, broker: 0, epoch: 0 } as const;
  const partition = claim?.partition ?? 0;
  return [...lines, { client: 0, partition, ...nobody, call: last + 1, return: last + 2 }];
}

/** One operation after the other; those whose outcome is unknown never end. */
function inTurn(...steps: readonly (Operation & Outcome)[]): HistoryLine[] {
  return steps.map((step, at) => {
    const end = step.outcome === 'unknown' ? {} : { return: 2 * at + 1 };
    return { client: at, partition: 0, call: 2 * at, ...step, ...end };
  });
}

function claimed(broker: number, epoch: number, token: number): Operation & Outcome {
  return { op: 'claim', broker, epoch, outcome: 'ok', token };
}

describe('the checker', () => {
  const started = { op: 'start', segment: 1, token: 10, outcome: 'ok' } as const;
  const finished = { op: 'finish', segment: 1, token: 10, outcome: 'ok' } as const;
  const state = 'COPY_SEGMENT_STARTED';
  const stale = { op: 'read-segment', segment: 1, outcome: 'ok', state } as const;

  test('finds a stale read', async () => {
    const told = inTurn(claimed(1, 1, 10), started, finished, stale);
    await expect(checkHistory(planted, told)).rejects.toThrow('partition 0 is not linearizable');
  });

  test('lets a read that runs beside the change see either state', async () => {
    const told = inTurn(claimed(1, 1, 10), started, finished, stale);
    const beside = told.map((line) => (line.op === 'read-segment' ? { ...line, call: 4 } : line));
    expect(await checkHistory(planted, beside)).toBe('linearizable');
  });

  test('finds an epoch that was granted to two brokers', async () => {
    const told = inTurn(claimed(1, 1, 10), claimed(2, 1, 11));
    await expect(checkHistory(planted, told)).rejects.toThrow('partition 0 is not linearizable');
  });

  test('finds a token that is not above the one before', async () => {
    const told = inTurn(claimed(1, 1, 10), claimed(2, 2, 10));
    await expect(checkHistory(planted, told)).rejects.toThrow('partition 0 is not linearizable');
  });

  test('finds a change by a claim that was taken away', async () => {
    const told = inTurn(claimed(1, 1, 10), claimed(2, 2, 11), started);
    await expect(checkHistory(planted, told)).rejects.toThrow('partition 0 is not linearizable');
  });

  test('takes a command without an answer for applied late, or for never applied', async () => {
    const lost: Operation & Outcome = { op: 'claim', broker: 2, epoch: 2, outcome: 'unknown' };
    const refused = { ...started, outcome: 'refused', code: 'FENCED_LEADER_EPOCH' } as const;
    const taken = { op: 'read-claim', outcome: 'ok', broker: 2, epoch: 2, token: 11 } as const;
    expect(await checkHistory(planted, inTurn(claimed(1, 1, 10), lost, started, finished))).toBe(
      'linearizable',
    );
    expect(
      await checkHistory(planted, inTurn(claimed(1, 1, 10), lost, started, taken, refused)),
    ).toBe('linearizable');
    // Who saw it applied may not see it undone.
    await expect(
      checkHistory(planted, inTurn(claimed(1, 1, 10), lost, taken, started)),
    ).rejects.toThrow('partition 0 is not linearizable');
  });
});

test('what clients see of a metastore that is killed and stands still is linearizable', async () => {
  const metastore = await startMetastore();
  const clients = new Clients({
    endpoints: () => [metastore.grpc],
    clients: CLIENTS,
    partitions: PARTITIONS,
    share: Math.random,
  });
  clients.start();
  try {
    await trouble(clients, [metastore], ROUNDS);
  } finally {
    await clients.stop();
    await metastore.stop();
  }
  const { history } = clients;
  const counts = { ok: history.count('ok'), refused: history.count('refused') };
  // A history in which nothing was granted, or nothing was contended, would prove nothing.
  expect(counts.ok).toBeGreaterThan(100);
  expect(counts.refused).toBeGreaterThan(10);
  const directory = await newDirectory(); // stays when the history has no order
  expect(await checkHistory(directory, history.lines)).toBe('linearizable');
  await fs.rm(directory, { recursive: true });
  await expect(checkHistory(planted, withStaleRead(history.lines))).rejects.toThrow(
    'is not linearizable',
  );
});
