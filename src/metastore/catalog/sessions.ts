// Exactly once (safety rule 22): each client numbers its commands, and a repeated number gets the answer
// it got before. What cannot be told apart from a late command of the past is refused, never applied.
import {
  BrokerInstances,
  type CatalogState,
  ClientSession,
  type Command,
  CommandResult,
  type Refusal,
  type RegisterClient,
} from '../../gen/logtier/v1/catalog_command.ts';
import type { CommandContext } from './context.ts';
import type { Draft } from './draft.ts';
import {
  answerKey,
  answersOf,
  clientIdOf,
  instancesKey,
  sessionAgeKey,
  sessionKey,
} from './keys.ts';
import { sessionsByAge } from './keys.ts';
import { ANSWER_WINDOW, MAX_INSTANCES, MAX_SESSIONS, MAX_TEXT_BYTES } from './limits.ts';
import { type Outcome, refusal, refuse } from './outcome.ts';

/** Moving a session up in the order of age costs two writes; an order this coarse is enough. */
const TOUCH_EVERY_MS = 3_600_000n;

export type Admission =
  | { readonly kind: 'refused'; readonly why: Refusal }
  | { readonly kind: 'answered'; readonly result: CommandResult }
  | { readonly kind: 'new'; readonly session: ClientSession };

export async function admitCommand(draft: Draft, command: Command): Promise<Admission> {
  const session = await draft.row(ClientSession, sessionKey(command.clientId));
  if (session === undefined) return expired('the session is unknown');
  if (session.clusterId !== command.clusterId) {
    const why = refusal('WRONG_CLUSTER', `the session belongs to cluster ${session.clusterId}`);
    return { kind: 'refused', why };
  }
  if (command.seq === session.highestSeq + 1n) return { kind: 'new', session };
  if (command.seq > session.highestSeq) return expired('a sequence number is missing before it');
  const answer = await draft.row(CommandResult, answerKey(command.clientId, command.seq));
  return answer === undefined
    ? expired('the answer is no longer kept')
    : { kind: 'answered', result: answer };
}

function expired(message: string): Admission {
  return { kind: 'refused', why: refusal('SESSION_EXPIRED', message) };
}

/** Keeps the answer and forgets those that the client has, or that fell out of the window. */
export function keepAnswer(
  draft: Draft,
  state: CatalogState,
  command: Command,
  kept: { readonly session: ClientSession; readonly result: CommandResult },
): void {
  const { clientId, seq } = command;
  const { session, result } = kept;
  draft.put(CommandResult, answerKey(clientId, seq), result);
  const keptFrom = lowestKept(session, command);
  for (let gone = session.keptFrom; gone < keptFrom; gone += 1n) {
    draft.delete(answerKey(clientId, gone));
  }
  const isStale = state.clockMs >= session.touchedMs + TOUCH_EVERY_MS;
  const touchedMs = isStale ? state.clockMs : session.touchedMs;
  if (isStale) {
    draft.delete(sessionAgeKey(session.touchedMs, clientId));
    draft.putBytes(sessionAgeKey(touchedMs, clientId), new Uint8Array(0));
  }
  const next = { ...session, highestSeq: seq, keptFrom, touchedMs };
  draft.put(ClientSession, sessionKey(clientId), next);
}

function lowestKept(session: ClientSession, { seq, answeredBelow }: Command): bigint {
  const windowStart = seq - ANSWER_WINDOW + 1n;
  const wanted = answeredBelow > windowStart ? answeredBelow : windowStart;
  // Never above this very command's own answer, and never back.
  const bounded = wanted > seq ? seq : wanted;
  return bounded > session.keptFrom ? bounded : session.keptFrom;
}

/** The client id is this entry's index: issued here, never chosen by a client. */
export async function registerClient(
  context: CommandContext,
  command: RegisterClient,
): Promise<Outcome> {
  const { instance, brokerId } = command;
  if (instance === '' || Buffer.byteLength(instance) > MAX_TEXT_BYTES || brokerId < -1) {
    return refuse('INVALID_ARGUMENT', 'a client names its broker, or -1, and its instance');
  }
  const clientId = context.revision.index;
  const { draft, state } = context;
  await makeRoom(context);
  const touchedMs = state.clockMs;
  draft.put(ClientSession, sessionKey(clientId), {
    clusterId: context.clusterId,
    brokerId,
    instance,
    instanceAge: await instanceAge(context, command),
    highestSeq: 0n,
    keptFrom: 1n,
    touchedMs,
  });
  draft.putBytes(sessionAgeKey(touchedMs, clientId), new Uint8Array(0));
  state.sessions += 1;
  return { $case: 'clientRegistered', value: { clientId } };
}

/** A renewed session is as old as its process, so that a renewal does not beat a younger process (rule 27). */
async function instanceAge(context: CommandContext, command: RegisterClient): Promise<bigint> {
  const { revision, draft, cluster } = context;
  if (command.brokerId < 0) return revision.index;
  const key = instancesKey(cluster, command.brokerId);
  const known = (await draft.row(BrokerInstances, key))?.instances ?? [];
  const again = known.find(({ instance }) => instance === command.instance);
  if (again !== undefined) return again.age;
  const age = revision.index;
  const instances = [...known, { instance: command.instance, age }].slice(-MAX_INSTANCES);
  draft.put(BrokerInstances, key, { instances });
  return age;
}

async function makeRoom({ draft, state }: CommandContext): Promise<void> {
  if (state.sessions < MAX_SESSIONS) return;
  const [oldest] = await draft.entries({ ...sessionsByAge(), limit: 1 });
  if (oldest === undefined) return;
  const clientId = clientIdOf(oldest.key);
  draft.delete(oldest.key);
  draft.delete(sessionKey(clientId));
  draft.deleteRange(answersOf(clientId));
  state.sessions -= 1;
}
