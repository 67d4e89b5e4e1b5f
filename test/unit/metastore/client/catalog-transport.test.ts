// Which member a client asks: one at a time, until it does not answer or does not lead.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogtierError } from '../../../../src/base/errors.ts';
import type { MutateRequest } from '../../../../src/gen/logtier/v1/catalog.ts';
import { Command } from '../../../../src/gen/logtier/v1/catalog_command.ts';
import {
  grpcTransport,
  type GrpcTransport,
} from '../../../../src/metastore/client/catalog-transport.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { silentLogger } from '../../../../src/platform/log.ts';
import { catalogRpc } from '../../../../src/metastore/service/catalog-rpc.ts';
import { defaultServeSettings, type RpcServer, serve } from '../../../../src/rpc/serve.ts';

const NEVER = new AbortController().signal;
const NOTHING = Command.decode(new Uint8Array(0));
const REQUEST: MutateRequest = { clusterId: 'kafka', commands: [] };

let directory: string;
const servers = new Map<string, RpcServer>();
const transports: GrpcTransport[] = [];
/** Whom the members follow, by name. */
let leader: string | undefined;
let asked: string[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'members-'));
  asked = [];
});
afterEach(async () => {
  for (const transport of transports.splice(0)) transport.stop();
  for (const server of servers.values()) await server.stop();
  servers.clear();
  await rm(directory, { recursive: true, force: true });
});

const addressOf = (name: string): string => `unix:${directory}/${name}`;

function unused(): never {
  throw new LogtierError('INVALID_ARGUMENT', 'not in this test');
}

async function member(name: string): Promise<void> {
  const service = catalogRpc({
    mutate: () => {
      asked.push(name);
      if (leader === name) return Promise.resolve({ results: [] });
      const details = leader === undefined ? {} : { leader: addressOf(leader) };
      throw new LogtierError('NOT_LEADER', `${name} does not lead`, { details });
    },
    query: unused,
    listSegments: unused,
    watch: unused,
  });
  const deps = { clock: systemClock, log: silentLogger };
  const settings = { ...defaultServeSettings, address: addressOf(name) };
  servers.set(name, await serve(deps, settings, [service]));
}

function clientOf(...names: string[]): () => Promise<string> {
  const transport = grpcTransport(systemClock, names.map(addressOf));
  transports.push(transport);
  return async () => {
    try {
      await transport.mutate(REQUEST, NEVER);
      return 'answered';
    } catch (error) {
      return error instanceof LogtierError ? error.code : String(error);
    }
  };
}

test('the member that another one names as leader is asked next, even when no setting names it', async () => {
  for (const name of ['one', 'two', 'four']) await member(name);
  leader = 'four';
  const ask = clientOf('one', 'two');
  expect([await ask(), await ask(), await ask()]).toEqual(['NOT_LEADER', 'answered', 'answered']);
  expect(asked).toEqual(['one', 'four', 'four']);
});

test('one endpoint is enough to reach whoever leads', async () => {
  for (const name of ['one', 'two']) await member(name);
  const ask = clientOf('one');
  leader = 'two';
  expect([await ask(), await ask()]).toEqual(['NOT_LEADER', 'answered']);
  leader = 'one';
  expect([await ask(), await ask()]).toEqual(['NOT_LEADER', 'answered']);
});

test('a named leader that is gone or does not lead any more is left for the next endpoint', async () => {
  for (const name of ['one', 'two', 'three']) await member(name);
  leader = 'nobody';
  const ask = clientOf('one', 'two', 'three');
  expect([await ask(), await ask(), await ask(), await ask()]).toEqual([
    'NOT_LEADER',
    'METASTORE_UNAVAILABLE',
    'NOT_LEADER',
    'METASTORE_UNAVAILABLE',
  ]);
  expect(asked).toEqual(['one', 'two']);
  leader = undefined;
  expect(await ask()).toBe('NOT_LEADER');
  leader = 'one';
  expect([await ask(), await ask()]).toEqual(['answered', 'answered']);
  expect(asked).toEqual(['one', 'two', 'three', 'one', 'one']);
});

test('calls at the same time are all answered; after an answer to other commands comes a new stream', async () => {
  const streams: AbortSignal[] = [];
  let answered: bigint[] = [];
  const service = catalogRpc({
    mutate: ({ commands }, signal) => {
      streams.push(signal);
      const seqs = commands.map(({ seq }) => (seq === 2n ? 1n : seq));
      return Promise.resolve({
        results: seqs.map((seq) => ({ seq, revision: undefined, results: [] })),
      });
    },
    query: unused,
    listSegments: unused,
    watch: unused,
  });
  const deps = { clock: systemClock, log: silentLogger };
  const settings = { ...defaultServeSettings, address: addressOf('one') };
  servers.set('one', await serve(deps, settings, [service]));
  const transport = grpcTransport(systemClock, [addressOf('one')]);
  transports.push(transport);
  const ask = async (seq: bigint): Promise<void> => {
    const request = { clusterId: 'kafka', commands: [{ ...NOTHING, seq }] };
    const { results } = await transport.mutate(request, NEVER);
    answered = [...answered, ...results.map((result) => result.seq)];
  };
  await Promise.all([ask(10n), ask(11n), ask(12n)]);
  expect(new Set(answered)).toEqual(new Set([10n, 11n, 12n]));
  [answered, streams.length] = [[], 0];
  for (const seq of [1n, 2n, 3n, 4n]) await ask(seq);
  expect(answered).toEqual([1n, 1n, 3n, 4n]);
  const [first, second, third, fourth] = streams;
  expect([second === first, third === second, fourth === third]).toEqual([true, false, true]);
});
