// Refusals are values: a throw inside apply would stop every replica at the same entry.
import type { ErrorCode } from '../../base/errors.ts';
import type { OpResult, Refusal, SegmentRecord } from '../../gen/logtier/v1/catalog_command.ts';

export type Outcome = NonNullable<OpResult['result']>;

export function refusal(code: ErrorCode, message: string): Refusal {
  return { code, message };
}

/** Tells a refusal from what a check gives when it passes; nothing else here has a `code`. */
export function isRefusal(value: object): value is Refusal {
  return 'code' in value;
}

export function refused(why: Refusal): Outcome {
  return { $case: 'refused', value: why };
}

export function refuse(code: ErrorCode, message: string): Outcome {
  return refused(refusal(code, message));
}

export function done(): Outcome {
  return { $case: 'done', value: {} };
}

export function segmentChanged(segment: SegmentRecord): Outcome {
  return { $case: 'segmentChanged', value: { segment } };
}
