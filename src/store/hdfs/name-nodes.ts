// Calls on a NameNode: short questions and answers, on kept connections, from the node that is active.
import * as http from 'node:http';
import * as https from 'node:https';
import { assert } from '../../base/assert.ts';
import { LogtierError } from '../../base/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import { exchange } from '../transfer/http-exchange.ts';
import type { Answer, ExchangeSettings, Outgoing } from '../transfer/http-exchange.ts';
import { exceptionOf, isUnanswered, refusalError, remoteRefusal } from './webhdfs-errors.ts';

export interface Call {
  readonly method: Outgoing['method'];
  /** Absolute HDFS path of plain ASCII. */
  readonly path: string;
  /** `op` and its parameters, in WebHDFS's own (lower-case) spelling. */
  readonly query: Readonly<Record<string, string>>;
  /** True: asking twice is harmless, so a call without an answer goes to the next node. */
  readonly repeatable: boolean;
}

export interface Reply {
  readonly status: number;
  readonly text: string;
  /** Of a redirect. */
  readonly location: string | undefined;
  /** Header `Date`; Hadoop sends it twice, joined by a comma. */
  readonly date: string | undefined;
}

export interface NameNodes {
  /** Answers with 200, 201 or 307; everything else is a LogtierError. */
  ask(call: Call, signal: AbortSignal): Promise<Reply>;
}

export interface NameNodesSettings extends ExchangeSettings {
  readonly nameNodes: readonly string[];
  readonly user: string;
}

/** A page of 1,000 entries takes 0.3 MB; HttpFS gives whole directories. */
const LONGEST_TEXT_BYTES = 16 * 2 ** 20;
const CALLS_IN_FLIGHT = 32;
const IDLE_CONNECTIONS = 8;
const ACCEPTED = new Set([200, 201, 307]);

function urlOf(base: string, call: Call, user: string): URL {
  const url = new URL(base);
  const segments = call.path.split('/').map(encodeURIComponent).join('/');
  url.pathname = `${url.pathname.replace(/\/$/, '')}/webhdfs/v1${segments}`;
  url.search = new URLSearchParams({ ...call.query, 'user.name': user }).toString();
  return url;
}

function agentFor(base: string): http.Agent {
  const options = {
    keepAlive: true,
    maxSockets: CALLS_IN_FLIGHT,
    maxFreeSockets: IDLE_CONNECTIONS,
  };
  return base.startsWith('https:') ? new https.Agent(options) : new http.Agent(options);
}

interface Node {
  readonly base: string;
  readonly agent: http.Agent;
}

/** All of an answer that is not file content. */
export async function textOf(answer: Answer): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of answer.body()) {
    length += bytes.length;
    if (length > LONGEST_TEXT_BYTES) {
      throw new LogtierError('STORE_REFUSED', `an answer of more than ${LONGEST_TEXT_BYTES} bytes`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString();
}

async function askOne(
  deps: { readonly clock: Clock },
  settings: NameNodesSettings,
  asked: { readonly node: Node; readonly call: Call },
  signal: AbortSignal,
): Promise<Reply> {
  const { node, call } = asked;
  const url = urlOf(node.base, call, settings.user);
  const headers = { 'content-length': '0' };
  const answer = await exchange(
    { clock: deps.clock, agent: node.agent },
    settings,
    { method: call.method, url, headers },
    signal,
  );
  const { status } = answer;
  const text = await textOf(answer);
  if (!ACCEPTED.has(status)) {
    throw refusalError(remoteRefusal(status, text), `${call.query['op'] ?? ''} ${call.path}`);
  }
  return { status, text, location: answer.headers.location, date: answer.headers.date };
}

function wasNeverSent(error: unknown): boolean {
  const cause: unknown = error instanceof LogtierError ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED';
}

function goesToTheNext(error: unknown, call: Call): boolean {
  const exception = exceptionOf(error);
  if (exception === 'StandbyException' || wasNeverSent(error)) return true;
  return call.repeatable && isUnanswered(error);
}

/** A single node is asked twice too: its kept connection may just have been closed. */
const LEAST_ATTEMPTS = 2;

export function connectNameNodes(
  deps: { readonly clock: Clock },
  settings: NameNodesSettings,
): NameNodes {
  const nodes: readonly Node[] = settings.nameNodes.map((base) => ({
    base,
    agent: agentFor(base),
  }));
  let active = 0;
  const attempts = Math.max(LEAST_ATTEMPTS, nodes.length);
  return {
    ask: async (call, signal) => {
      for (let attempt = 1; ; attempt += 1) {
        const asked = active;
        const node = nodes[asked];
        assert(node !== undefined, 'there is an active NameNode');
        try {
          return await askOne(deps, settings, { node, call }, signal);
        } catch (error) {
          if (attempt >= attempts || !goesToTheNext(error, call)) throw error;
          if (active === asked) active = (asked + 1) % nodes.length;
        }
      }
    },
  };
}
