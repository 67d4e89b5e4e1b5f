import { expect, test } from 'vitest';
import { LogtierError } from '../../../src/base/errors.ts';
import type { OperatorCalls } from '../../../src/cli/operator-calls.ts';
import { runCli, type CliHost } from '../../../src/cli/program.ts';
import type {
  ExplainResponse,
  ListPartitionsResponse,
  PartitionLine,
  ReadRecordsResponse,
} from '../../../src/gen/logtier/v1/operator.ts';

const line: PartitionLine = {
  topic: 'orders',
  topicId: 'MkU3OEVBNTcwNTJENDM2Qk',
  partition: 0,
  remoteSegments: 3n,
  localSegments: 2n,
  remoteOnlyBytes: 3n * 2n ** 20n,
  bothBytes: 2n ** 20n,
  localOnlyBytes: 512n,
  lagBytes: 0n,
  lagSegments: 0n,
  remoteStart: 0n,
  localStart: 300n,
  tieredTo: 400n,
  logEnd: 450n,
  leader: true,
  claimed: true,
  findings: 0n,
  headroomMs: undefined,
};

const listing: ListPartitionsResponse = {
  partitions: [line],
  clusterId: 'c',
  brokerId: 1,
  notReady: [],
};

const explanation: ExplainResponse = {
  segments: [
    {
      partition: 0,
      startOffset: 400n,
      nextOffset: 450n,
      logBytes: 1000n,
      state: 'copying',
      reason: 'COPYING',
      words: 'It is being copied.',
      sinceMs: 99_000n,
      copiedBytes: 250n,
      headroomMs: 3_600_000n,
    },
  ],
  findings: [
    {
      code: 'GAP',
      text: 'records are in neither tier',
      sinceMs: 0n,
      startOffset: 10n,
      endOffset: 20n,
    },
  ],
};

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}

function unexpected(): never {
  throw new LogtierError('INVALID_ARGUMENT', 'unexpected call');
}

function callsWith(some: Partial<OperatorCalls>): OperatorCalls {
  return {
    listPartitions: unexpected,
    describePartition: unexpected,
    explain: unexpected,
    getSegment: unexpected,
    listRemoteSegments: unexpected,
    watchTasks: unexpected,
    readObject: unexpected,
    readRecords: unexpected,
    auditStore: unexpected,
    diagnose: unexpected,
    confirmClock: unexpected,
    releaseClaim: unexpected,
    resetClaim: unexpected,
    close: () => undefined,
    ...some,
  };
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(
  words: string,
  calls: Partial<OperatorCalls> = {},
  host: Partial<CliHost> = {},
): Promise<Ran> {
  let out = '';
  let err = '';
  const io = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    isTerminal: false,
    wallMs: () => 100_000,
    pause: () => Promise.resolve(),
    createFile: () => Promise.reject(new Error('no files here')),
  };
  const code = await runCli(
    {
      io,
      version: '0.0.0',
      signal: new AbortController().signal,
      connect: () => Promise.resolve(callsWith(calls)),
      runSidecar: () => Promise.resolve(),
      runMetastore: () => Promise.resolve(),
      runDev: () => Promise.resolve(),
      validateConfig: () => Promise.resolve('ok\n'),
      showConfig: () => Promise.resolve('{}\n'),
      connectCluster: () => Promise.reject(new Error('no group here')),
      saveSnapshot: () => Promise.reject(new Error('no files here')),
      restoreSnapshot: () => Promise.reject(new Error('no files here')),
      freshMetastoreId: () => 'AAAAAAAAAAAAAAAAAAAAAA',
      ...host,
    },
    words.split(' '),
  );
  return { code, out, err };
}

test('inventory ls prints a table with upper-case headers and no borders', async () => {
  const { code, out } = await run('inventory ls orders', {
    listPartitions: () => Promise.resolve(listing),
  });
  expect(code).toBe(0);
  expect(out).toBe(
    [
      'TOPIC   PART  SEGMENTS  REMOTE-ONLY     BOTH  LOCAL-ONLY  LAG-BYTES  LAG-SEGS  REMOTE-START  LOCAL-START  TIERED-TO  LEO  ROLE   FINDINGS',
      'orders     0         3      3.0 MiB  1.0 MiB       512 B        0 B         0             0          300        400  450  owner         -',
      '',
    ].join('\n'),
  );
});

test('-o json is one document with 64-bit numbers as text, and what is not ready goes to stderr', async () => {
  const unready = { ...listing, notReady: ['the broker does not answer'] };
  const { out, err } = await run('inventory ls -o json', {
    listPartitions: () => Promise.resolve(unready),
  });
  const document = JSON.parse(out);
  expect(document).toMatchObject({ apiVersion: 'logtier/v1', kind: 'PartitionList', brokerId: 1 });
  expect(document.items[0]).toMatchObject({
    topic: 'orders',
    remoteOnlyBytes: '3145728',
    logEnd: '450',
  });
  expect(err).toBe('not ready: the broker does not answer\n');
});

test('why shows state with progress, since when, head-room, reason and findings', async () => {
  const { out } = await run('why orders:0', { explain: () => Promise.resolve(explanation) });
  expect(out).toContain('copying 25%  1s ago         1h  COPYING  It is being copied.');
  expect(out).toContain('GAP      [10, 20)  -      records are in neither tier');
});

test('records read prints a line a record, and a gap is exit code 3', async () => {
  const answer: ReadRecordsResponse = {
    records: [
      {
        offset: 7n,
        timestampMs: 0n,
        key: Buffer.from('k'),
        value: Buffer.from([0xff, 0x00]),
        headers: [{ key: 'h', value: Buffer.from('v') }],
        tier: 'remote',
      },
    ],
    gap: { start: 8n, end: 10n },
    note: '',
  };
  const { code, out, err } = await run('records read orders:0 --from 7', {
    readRecords: () => one(answer),
  });
  expect(out).toBe('7\t1970-01-01T00:00:00.000Z\tremote\tk\t0xff00\th=v\n');
  expect(err).toBe('gap: offsets [8, 10) are in neither tier\n');
  expect(code).toBe(3);
});

test('an error is one line with a hint, and its code decides the exit code', async () => {
  const unreachable = new LogtierError(
    'METASTORE_UNAVAILABLE',
    'nothing answers at 127.0.0.1:7400',
    {
      hint: 'is the sidecar running?',
    },
  );
  const ran = await run('inventory ls', { listPartitions: () => Promise.reject(unreachable) });
  expect(ran).toEqual({
    code: 4,
    out: '',
    err: 'error: nothing answers at 127.0.0.1:7400\nhint: is the sidecar running?\n',
  });
  const json = await run('inventory ls -o json', {
    listPartitions: () => Promise.reject(unreachable),
  });
  expect(JSON.parse(json.err)).toEqual({
    error: { code: 'METASTORE_UNAVAILABLE', message: unreachable.message, hint: unreachable.hint },
  });
});

test.each([
  ['inventori ls', /Did you mean inventory\?/],
  ['inventory ls --outpot json', /unknown option '--outpot'/],
  ['inventory ls -o yaml', /Allowed choices are table, json/],
  ['records read orders:0', /required option '--from <offset>' not specified/],
  ['records read orders:0 --from -3', /must be a whole number/],
])('wrong usage ends with 2 and says what is wrong: %s', async (words, message) => {
  const { code, err } = await run(words);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});

test('a partition is named TOPIC:N, and a missing one is asked for', async () => {
  const { code, err } = await run('inventory describe orders');
  expect(code).toBe(2);
  expect(err).toBe("error: 'orders' names no partition\nhint: write it as orders:0\n");
});

test('--help and --version end with 0', async () => {
  expect((await run('--help')).code).toBe(0);
  expect(await run('--version')).toMatchObject({ code: 0, out: '0.0.0\n' });
});

test('wrong settings end with 2, another running process with 8, a lost store with 4', async () => {
  const codes = ['INVALID_CONFIG', 'ALREADY_RUNNING', 'STORE_UNAVAILABLE'] as const;
  const ends = await Promise.all(
    codes.map((code) =>
      run('sidecar', {}, { runSidecar: () => Promise.reject(new LogtierError(code, 'no')) }),
    ),
  );
  expect(ends.map(({ code }) => code)).toEqual([2, 8, 4]);
});

test('store audit prints what does not fit and exits with 3, and with 0 when all fits', async () => {
  const counts = { objects: 2n, objectBytes: 2_048n, partitions: 1n, findings: 1n };
  const finding = {
    code: 'OBJECT_MISSING',
    objectKey: 'c/orders',
    objectBytes: 1_024n,
    text: 'it is not there',
  };
  const auditStore = () => one({ findings: [finding], counts, complete: true });
  expect(await run('store audit main', { auditStore })).toEqual({
    code: 3,
    out: [
      'FINDING           BYTES  OBJECT    WORDS',
      'OBJECT_MISSING  1.0 KiB  c/orders  it is not there',
      '2 objects, 2.0 KiB of 1 partitions: 1 findings',
      '',
    ].join('\n'),
    err: '',
  });
  const clean = { findings: [], counts: { ...counts, findings: 0n }, complete: true };
  const found = await run('-o json store audit', { auditStore: () => one(clean) });
  expect([found.code, JSON.parse(found.out)]).toEqual([
    0,
    {
      apiVersion: 'logtier/v1',
      kind: 'StoreAudit',
      counts: { objects: '2', objectBytes: '2048', partitions: '1', findings: '0' },
      items: [],
    },
  ]);
});

test('a store audit that ends before the store does is a failure', async () => {
  const counts = { objects: 2n, objectBytes: 2_048n, partitions: 1n, findings: 0n };
  const cut = { findings: [], counts, complete: false };
  const { code, err } = await run('store audit', { auditStore: () => one(cut) });
  expect([code, err]).toEqual([4, 'error: the audit ended before the end of the store\n']);
});

test('claim reset needs a name of who asks, and says how many claims it reset', async () => {
  expect(await run('claim reset orders')).toMatchObject({ code: 2 });
  const asked: unknown[] = [];
  const resetClaim: OperatorCalls['resetClaim'] = (request) => {
    asked.push(request);
    return Promise.resolve({ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: 3 });
  };
  expect(await run('claim reset orders --by ada', { resetClaim })).toEqual({
    code: 0,
    out: 'orders: claims of 3 partitions reset; their leaders claim again\n',
    err: '',
  });
  expect(asked).toEqual([{ topic: 'orders', operator: 'ada' }]);
});
