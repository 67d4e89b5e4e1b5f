// One command: admitted once, its operations all applied or none, its answer kept.
import {
  CatalogEvent,
  type CatalogState,
  type ClientSession,
  type Command,
  type CommandResult,
  type Op,
  type OpResult,
  type Refusal,
} from '../../gen/logtier/v1/catalog_command.ts';
import type { Revision } from '../../segment/ids.ts';
import { resolveCluster } from './clusters.ts';
import { runOp } from './commands/run-op.ts';
import type { CommandContext } from './context.ts';
import type { Draft } from './draft.ts';
import { MAX_EVENT_BYTES, MAX_EVENTS, MAX_OPS } from './limits.ts';
import { isRefusal, type Outcome, refusal, refuse, refused } from './outcome.ts';
import { encodeRow } from './row.ts';
import { admitCommand, keepAnswer } from './sessions.ts';
import { TouchedRows } from './touched-rows.ts';

export interface CommandRun {
  readonly state: CatalogState;
  readonly result: CommandResult;
  readonly events: readonly CatalogEvent[];
  /** The events as rows of the feed. */
  readonly rows: readonly Uint8Array[];
}

interface Asked {
  readonly command: Command;
  readonly revision: Revision;
}

/** Writes go to `draft`; `state` has this entry's index and clock already. */
export async function runCommand(
  draft: Draft,
  state: CatalogState,
  asked: Asked,
): Promise<CommandRun> {
  const { command, revision } = asked;
  const stop = (why: Refusal): CommandRun => ({
    state,
    result: refuseAll(command, revision, why),
    events: [],
    rows: [],
  });
  const malformed = whyMalformed(command);
  if (malformed !== undefined) return stop(malformed);
  if (command.clientId === 0n) return await runOps(draft, state, { ...asked, session: undefined });
  if (command.incarnation !== state.incarnation) {
    return stop(refusal('SESSION_EXPIRED', 'the session is of another incarnation'));
  }
  const admission = await admitCommand(draft, command);
  if (admission.kind === 'refused') return stop(admission.why);
  if (admission.kind === 'answered')
    return { state, result: admission.result, events: [], rows: [] };
  const { session } = admission;
  const run = await runOps(draft, state, { ...asked, session });
  keepAnswer(draft, run.state, command, { session, result: run.result });
  return run;
}

/** Without a session: what opens one, and what a member itself proposes. */
const SESSIONLESS: ReadonlySet<string> = new Set([
  'registerClient',
  'tick',
  'trimFeed',
  'checkHash',
]);

function whyMalformed({ ops, clientId }: Command): Refusal | undefined {
  if (ops.length === 0 || ops.length > MAX_OPS || ops.some(({ op }) => op === undefined)) {
    return refusal('INVALID_ARGUMENT', `a command has 1 to ${MAX_OPS} known operations`);
  }
  const names = ops.map(({ op }) => op?.$case ?? '');
  const isSessionless = names.length === 1 && SESSIONLESS.has(names[0] ?? '');
  if (clientId === 0n) {
    return isSessionless ? undefined : refusal('INVALID_ARGUMENT', 'a command has a client id');
  }
  return names.includes('registerClient')
    ? refusal('INVALID_ARGUMENT', 'a client registers without a client id')
    : undefined;
}

async function runOps(
  draft: Draft,
  state: CatalogState,
  asked: Asked & { readonly session: ClientSession | undefined },
): Promise<CommandRun> {
  const { command, revision, session } = asked;
  const own = { ...state };
  const begun = draft.savepoint();
  const undone = (result: CommandResult): CommandRun => {
    draft.rollBack(begun);
    return { state, result, events: [], rows: [] };
  };
  const context = await openContext(draft, own, { command, revision, session });
  if (isRefusal(context)) return undone(refuseAll(command, revision, context));
  const outcomes: Outcome[] = [];
  for (const { op } of command.ops) {
    const outcome = await outcomeOf(context, op);
    if (outcome.$case === 'refused') return undone(refusedAt(asked, outcomes.length, outcome));
    outcomes.push(outcome);
  }
  const events = await context.touched.events(draft, command.clusterId);
  const rows = events.map((event) => encodeRow(CatalogEvent, event));
  if (rows.reduce((sum, row) => sum + row.length, 0) > MAX_EVENT_BYTES) {
    const tooMuch = refusal('OVERLOADED', 'the command changes too many bytes');
    return undone(refuseAll(command, revision, tooMuch));
  }
  const results = outcomes.map((result): OpResult => ({ result }));
  return { state: own, result: { seq: command.seq, revision, results }, events, rows };
}

async function openContext(
  draft: Draft,
  state: CatalogState,
  asked: Asked & { readonly session: ClientSession | undefined },
): Promise<CommandContext | Refusal> {
  const { command, revision, session } = asked;
  const { clusterId, clientId, nowMs } = command;
  const isMembers = clientId === 0n && command.ops[0]?.op?.$case !== 'registerClient';
  const mayCreate = clientId === 0n && !isMembers;
  const cluster = isMembers
    ? { number: 0 }
    : await resolveCluster(draft, state, { clusterId, mayCreate });
  if (isRefusal(cluster)) return cluster;
  const touched = new TouchedRows();
  return {
    draft,
    state,
    cluster: cluster.number,
    clusterId,
    revision,
    entryMs: nowMs,
    clientId,
    session,
    touched,
  };
}

async function outcomeOf(context: CommandContext, op: Op['op']): Promise<Outcome> {
  if (op === undefined) return refuse('INVALID_ARGUMENT', 'an unknown operation');
  const outcome = await runOp(context, op);
  return context.touched.count > MAX_EVENTS
    ? refuse('OVERLOADED', 'the command changes too many rows')
    : outcome;
}

/** The operation that was refused says why; the others say that nothing of the command was applied. */
function refusedAt({ command, revision }: Asked, at: number, why: Outcome): CommandResult {
  const others = refuse('ABORTED', `operation ${at} of the command was refused`);
  const results = command.ops.map((_, op): OpResult => ({ result: op === at ? why : others }));
  return { seq: command.seq, revision, results };
}

export function refuseAll(
  { seq, ops }: Pick<Command, 'seq' | 'ops'>,
  revision: Revision,
  why: Refusal,
): CommandResult {
  const count = Math.min(Math.max(ops.length, 1), MAX_OPS);
  const results = Array.from({ length: count }, (): OpResult => ({ result: refused(why) }));
  return { seq, revision, results };
}
