// One step of one partition: may we, do we hold the claim, what is missing, what waits. Safe to repeat at any time.
import { join } from 'node:path';
import { backoffMs } from '../base/backoff.ts';
import { LogtierError, hasCode } from '../base/errors.ts';
import type { BrokerView } from '../broker/broker-view.ts';
import { parseLeaderEpochCheckpoint } from '../kafka/leader-epoch-checkpoint.ts';
import type { Lineage } from '../kafka/lineage.ts';
import { parsePartitionMetadata } from '../kafka/partition-metadata.ts';
import { coverOf } from '../kafka/segment-cover.ts';
import type { Clock } from '../platform/clock.ts';
import { errnoOf, type Disk } from '../platform/disk.ts';
import type { Logger } from '../platform/log.ts';
import type { Random } from '../platform/random.ts';
import { topicId, type PartitionId, type TopicId } from '../segment/ids.ts';
import type { PartitionSnapshot } from '../segment/segment-record.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { closedSegments, type LocalSegments } from './closed-segments.ts';
import { finishedOf, planCopies, type PlannedCopy } from './copy-plan.ts';
import type { Belief, Leadership } from './leadership.ts';
import { decideOrphans, settleOrphan } from './orphans.ts';
import { whyIneligible, type Ineligible } from './partition-eligibility.ts';
import type { PartitionState } from './partition-state.ts';
import type { Claim, ClaimRequest, SegmentLedger, SegmentView } from './segment-ledger.ts';
import type { UploaderSettings } from './settings.ts';

export interface PartitionDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly broker: BrokerView;
  readonly leadership: Leadership;
  readonly ledger: SegmentLedger;
  readonly view: SegmentView;
  readonly stores: ReadonlyMap<string, ObjectStore>;
  /** FENCED_INSTANCE: a younger sidecar of this broker took over; this one must exit (rule 27). */
  readonly onFenced: (error: LogtierError) => void;
}

/** What may be copied now, under which claim. */
export interface PartitionPlan {
  readonly claim: Claim;
  readonly belief: Belief;
  readonly local: LocalSegments;
  readonly snapshot: PartitionSnapshot;
  readonly brokerLocalStart: bigint;
  readonly planned: readonly PlannedCopy[];
}

const FIRST_OFFSET = 0n;
/** Longest wait for the answer to a claim, before the partition says what it waits for. */
const CLAIM_MS = 10_000;

/** Undefined: nothing may be copied now, and `state.blocked` says why. Errors of others are told there too, never thrown. */
export async function planPartition(
  deps: PartitionDeps,
  settings: UploaderSettings,
  state: PartitionState,
  signal: AbortSignal,
): Promise<PartitionPlan | undefined> {
  try {
    return await plan(deps, state, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    if (hasCode(error, 'FENCED_INSTANCE')) deps.onFenced(error);
    const { reason, detail } = blockedBy(error);
    block(deps, state, { reason, detail });
    state.claimAttempts += 1;
    const waitMs = backoffMs(settings, state.claimAttempts - 1, deps.random.share());
    state.notBeforeMs = deps.clock.monotonicMs() + waitMs;
    if (reason === 'CLAIM_REFUSED') reportRefusal(deps, state, detail);
    return undefined;
  }
}

async function plan(
  deps: PartitionDeps,
  state: PartitionState,
  signal: AbortSignal,
): Promise<PartitionPlan | undefined> {
  const belief = deps.leadership.belief(state.directory.topic, state.directory.partition);
  state.topicId ??= await readTopicId(deps.disk, state);
  const ineligible = whyIneligible({
    rule: state.rule,
    belief,
    topicId: state.topicId,
    brokerUnreachable: deps.leadership.unreachable()?.text,
  });
  reportUnlisted(deps, state);
  if (ineligible !== undefined || belief === undefined || state.topicId === undefined) {
    await standDown(deps, state, ineligible, signal);
    return undefined;
  }
  const local = closedSegments(
    `${state.directory.topic}-${state.directory.partition}`,
    filesOf(state),
  );
  const id: PartitionId = { topicId: state.topicId, partition: state.directory.partition };
  const claim = await holdClaim(deps, { state, belief, id, local }, signal);
  const snapshot = await deps.view.snapshot(id, claim.revision, signal);
  if (!state.orphansSettled) await settleOrphans(deps, { state, claim, local, snapshot }, signal);
  state.unblock();
  state.claimAttempts = 0;
  state.retract('CLAIM_REFUSED');
  state.keepOnly(new Set(local.closed.map(({ startOffset }) => startOffset)));
  reportLost(deps, state, local, snapshot);
  const planned = planCopies({
    snapshot,
    closed: local.closed,
    brokerId: deps.broker.brokerId,
  });
  const brokerLocalStart = localStart(local, claim.lineage);
  return { claim, belief, local, snapshot, brokerLocalStart, planned };
}

/** A missing ACL, a fresh controller and a deleted topic look the same: told, and no reason to erase (rule 5). */
function reportUnlisted(deps: PartitionDeps, state: PartitionState): void {
  const { topic } = state.directory;
  if (state.rule === undefined || !deps.leadership.isUnlisted(topic)) {
    state.retract('TOPIC_NOT_LISTED');
    return;
  }
  const text = `the broker does not list topic ${topic}, whose log it has; check the ACL Describe`;
  state.report({ code: 'TOPIC_NOT_LISTED', text }, deps.clock.wallMs());
}

function filesOf(state: PartitionState): { name: string; sizeBytes: undefined }[] {
  return state.directory.fileNames.map((name) => ({ name, sizeBytes: undefined }));
}

function block(deps: PartitionDeps, state: PartitionState, { reason, detail }: Ineligible): void {
  state.block(reason, detail, deps.clock.wallMs());
}

function blockedBy(error: unknown): Ineligible {
  const detail = error instanceof Error ? error.message : String(error);
  if (hasCode(error, 'FENCED_LEADER_EPOCH', 'FENCED_INSTANCE', 'MODE_CONFLICT', 'TOPIC_DELETED')) {
    return { reason: 'CLAIM_REFUSED', detail };
  }
  if (hasCode(error, 'NOT_READY')) return { reason: 'VIEW_NOT_READY', detail };
  if (hasCode(error, 'BROKER_UNAVAILABLE', 'BROKER_DENIED'))
    return { reason: 'BROKER_UNREACHABLE', detail };
  if (hasCode(error, 'STORE_UNAVAILABLE')) return { reason: 'STORE_UNREACHABLE', detail };
  if (hasCode(error, 'LOG_DIR_FAILED')) return { reason: 'LOG_DIR_FAILED', detail };
  if (
    hasCode(
      error,
      'METASTORE_UNAVAILABLE',
      'OUTCOME_UNKNOWN',
      'SESSION_EXPIRED',
      'NOT_LEADER',
      'OVERLOADED',
      'DEADLINE_EXCEEDED',
    )
  ) {
    return { reason: 'METASTORE_UNREACHABLE', detail };
  }
  return { reason: 'CLAIM_PENDING', detail };
}

/** A true leader that is refused alarms; its belief may also be the stale one (rule 26). */
function reportRefusal(
  deps: PartitionDeps,
  state: PartitionState,
  detail: string | undefined,
): void {
  state.dropClaim();
  const text = detail ?? 'refused';
  state.report({ code: 'CLAIM_REFUSED', text }, deps.clock.wallMs());
  deps.logger.warn({ partition: state.name, detail }, 'the claim is refused');
}

/** A claimant that learns that it does not lead gives the claim back (rule 26); what is open stays for the next. */
async function standDown(
  deps: PartitionDeps,
  state: PartitionState,
  ineligible: Ineligible | undefined,
  signal: AbortSignal,
): Promise<void> {
  block(deps, state, ineligible ?? { reason: 'TOPIC_ID_UNKNOWN', detail: undefined });
  const { claim } = state;
  if (ineligible?.reason === 'BROKER_UNREACHABLE') return;
  // What only a leader can complain of.
  state.retract('CLAIM_REFUSED');
  state.retract('HEADROOM_LOW');
  if (claim === undefined) return;
  state.dropClaim();
  try {
    await deps.ledger.release(claim, signal);
    deps.logger.info(
      { partition: state.name, leaderEpoch: claim.leaderEpoch, reason: ineligible?.reason },
      'claim released',
    );
  } catch (error) {
    // A fenced claim needs no release, and an unanswered one is overtaken by the next claim.
    deps.logger.debug({ partition: state.name, error: String(error) }, 'release was not answered');
  }
}

interface Claiming {
  readonly state: PartitionState;
  readonly belief: Belief;
  readonly id: PartitionId;
  readonly local: LocalSegments;
}

async function holdClaim(
  deps: PartitionDeps,
  claiming: Claiming,
  signal: AbortSignal,
): Promise<Claim> {
  const { state, belief, id, local } = claiming;
  if (state.claim?.leaderEpoch === belief.leaderEpoch && state.claim.id.topicId === id.topicId)
    return state.claim;
  state.dropClaim();
  const { topic, partition } = state.directory;
  // Our broker may be the one that does not know yet; silence does not stop (rule 31).
  const elsewhere = await deps.broker.epochElsewhere(topic, partition, signal);
  if (elsewhere !== undefined && elsewhere > belief.leaderEpoch) {
    throw new LogtierError(
      'FENCED_LEADER_EPOCH',
      `another broker knows leader epoch ${elsewhere}, ours believes ${belief.leaderEpoch}`,
    );
  }
  const lineage = await readLineage(deps.disk, state);
  const brokerLocalStart = localStart(local, lineage);
  const fromNow = local.activeOffset ?? brokerLocalStart;
  const initialRemoteStart = state.rule?.from === 'now' ? fromNow : brokerLocalStart;
  const { leaderEpoch } = belief;
  const claim = await claimInTime(
    deps,
    { id, topic, leaderEpoch, lineage, brokerLocalStart, initialRemoteStart },
    signal,
  );
  state.claim = claim;
  deps.logger.info(
    { partition: state.name, leaderEpoch: belief.leaderEpoch, tokenIndex: claim.token.index },
    'partition claimed',
  );
  return claim;
}

/** An unanswered claim is claimed again: the newer token is ours too, and re-stamps what is open (rule 11). */
async function claimInTime(
  deps: PartitionDeps,
  request: ClaimRequest,
  signal: AbortSignal,
): Promise<Claim> {
  const deadline = deps.clock.deadline(CLAIM_MS, signal);
  try {
    return await deps.ledger.claim(request, deadline.signal);
  } finally {
    deadline.clear();
  }
}

/** Kafka cuts its list at the log start: the first entry may begin above the first file (DeleteRecords). */
function localStart(local: LocalSegments, lineage: Lineage): bigint {
  const firstFile = local.closed[0]?.startOffset ?? local.activeOffset ?? FIRST_OFFSET;
  const firstEntry = lineage[0]?.startOffset ?? firstFile;
  return firstEntry > firstFile ? firstEntry : firstFile;
}

async function settleOrphans(
  deps: PartitionDeps,
  found: {
    readonly state: PartitionState;
    readonly claim: Claim;
    readonly local: LocalSegments;
    readonly snapshot: PartitionSnapshot;
  },
  signal: AbortSignal,
): Promise<void> {
  const { state, claim, local, snapshot } = found;
  const inFlight = new Set(state.inFlight === undefined ? [] : [state.inFlight.segmentId]);
  const input = {
    snapshot,
    closed: local.closed,
    brokerId: deps.broker.brokerId,
    inFlight,
  };
  state.retract('ORPHAN');
  for (const decision of decideOrphans(input)) {
    const { record } = decision;
    const store = deps.stores.get(record.store);
    if (store === undefined) {
      reportOrphan(deps, state, record, [`its store '${record.store}' is not configured here`]);
      continue;
    }
    const outcome = await settleOrphan({ ledger: deps.ledger, store }, claim, decision, signal);
    deps.logger.info(
      { partition: state.name, segmentId: record.segmentId, outcome: outcome.kind },
      'open intent settled',
    );
    if (outcome.kind === 'reported') reportOrphan(deps, state, record, outcome.findings);
  }
  state.orphansSettled = true;
}

function reportOrphan(
  deps: PartitionDeps,
  state: PartitionState,
  record: { readonly segmentId: string; readonly startOffset: bigint; readonly nextOffset: bigint },
  findings: readonly string[],
): void {
  const text = `segment ${record.segmentId}: ${findings.join('; ')}`;
  const range = { startOffset: record.startOffset, endOffset: record.nextOffset };
  state.report({ code: 'ORPHAN', text, ...range }, deps.clock.wallMs());
  deps.logger.error(
    { partition: state.name, segmentId: record.segmentId, findings },
    'an open intent needs an operator',
  );
}

/** Below the local start, everything from the remote start up must be remote, or on its way (never silence). */
function reportLost(
  deps: PartitionDeps,
  state: PartitionState,
  local: LocalSegments,
  snapshot: PartitionSnapshot,
): void {
  const firstLocal = local.closed[0]?.startOffset ?? local.activeOffset;
  if (firstLocal === undefined || firstLocal <= snapshot.remoteStart) {
    state.retract('LOST_BEFORE_COPY');
    return;
  }
  const open = snapshot.segments.filter(({ state: open_ }) => open_ === 'COPY_SEGMENT_STARTED');
  const asked = { startOffset: snapshot.remoteStart, nextOffset: firstLocal };
  const { holes } = coverOf([...finishedOf(snapshot), ...open], snapshot.lineage, asked);
  state.retract('LOST_BEFORE_COPY', ({ startOffset }) =>
    holes.some((hole) => hole.startOffset === startOffset),
  );
  for (const hole of holes) {
    const text = `offsets [${hole.startOffset}, ${hole.nextOffset}) were deleted by local retention before they were remote`;
    state.report(
      { code: 'LOST_BEFORE_COPY', text, startOffset: hole.startOffset, endOffset: hole.nextOffset },
      deps.clock.wallMs(),
    );
  }
}

async function readTopicId(disk: Disk, state: PartitionState): Promise<TopicId | undefined> {
  const text = await readSmall(disk, state, 'partition.metadata');
  try {
    return text === undefined ? undefined : topicId(parsePartitionMetadata(text));
  } catch (error) {
    // Written once, some time after the directory: a torn one is read again.
    if (hasCode(error, 'TRUNCATED_FILE')) return undefined;
    throw error;
  }
}

async function readLineage(disk: Disk, state: PartitionState): Promise<Lineage> {
  const text = await readSmall(disk, state, 'leader-epoch-checkpoint');
  return text === undefined ? [] : parseLeaderEpochCheckpoint(text);
}

async function readSmall(
  disk: Disk,
  state: PartitionState,
  name: string,
): Promise<string | undefined> {
  const path = join(state.directory.path, name);
  try {
    return (await disk.readFile(path)).toString('utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new LogtierError('LOG_DIR_FAILED', `${path}: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
