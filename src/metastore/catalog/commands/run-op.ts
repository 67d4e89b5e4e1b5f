import type { Op } from '../../../gen/logtier/v1/catalog_command.ts';
import type { CommandContext } from '../context.ts';
import { done, type Outcome } from '../outcome.ts';
import { checkHash } from '../hash-marks.ts';
import { registerClient } from '../sessions.ts';
import { claimPartition } from './claim-partition.ts';
import { adoptIntent, finishCopy, recordUpload, startCopy } from './copy.ts';
import { deleteTopic } from './delete-topic.ts';
import { releaseClaim, resetClaim } from './end-claim.ts';
import { forgetCopies } from './forget-copies.ts';
import { abortCopy, finishDelete, startDelete } from './end-segment.ts';
import { objectErased, prefixListedEmpty, recordErasePass } from './erasing.ts';
import { acquireLease, confirmClock, trimFeed } from './housekeeping.ts';
import { moveRemoteStart } from './remote-start.ts';

type AnyOp = NonNullable<Op['op']>;
type OpName = AnyOp['$case'];
type OpValues = { readonly [Name in OpName]: Extract<AnyOp, { $case: Name }>['value'] };
type OpNamed<Name extends OpName> = {
  [N in Name]: { readonly $case: N; readonly value: OpValues[N] };
}[Name];
type Handlers = {
  readonly [Name in OpName]: (context: CommandContext, value: OpValues[Name]) => Promise<Outcome>;
};

const handlers: Handlers = {
  registerClient,
  claimPartition,
  releaseClaim,
  startCopy,
  recordUpload,
  finishCopy,
  abortCopy,
  adoptIntent,
  moveRemoteStart,
  startDelete,
  finishDelete,
  objectErased,
  recordErasePass,
  deleteTopic,
  prefixListedEmpty,
  acquireLease,
  confirmClock,
  resetClaim,
  forgetCopies,
  trimFeed,
  checkHash,
  // Every entry moves the clock; a tick does nothing else.
  tick: () => Promise.resolve(done()),
};

export function runOp<Name extends OpName>(
  context: CommandContext,
  op: OpNamed<Name>,
): Promise<Outcome> {
  return handlers[op.$case](context, op.value);
}
