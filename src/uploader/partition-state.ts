// Everything the uploader remembers of one local partition. No flow here; whoever changes it says so in words.
import type { SegmentId, TopicId } from '../segment/ids.ts';
import type { CopyStep } from './copy-segment.ts';
import type { ClosedFacts } from './closed-facts.ts';
import type { LocalDirectory } from './local-directory.ts';
import type { Claim } from './segment-ledger.ts';
import type { TopicSettings } from './settings.ts';
import type { Waiting, WaitingReason } from './waiting-reason.ts';

/** What happened to one closed segment, until it is remote or gone. */
export interface SegmentWait {
  readonly waiting: Waiting;
  /** Failed tries so far. */
  readonly attempts: number;
  /** Monotonic: earliest next try. */
  readonly notBeforeMs: number;
  /** Monotonic, of the first try that missed a snapshot, an index or the end of the log (rule 12). */
  readonly missingSinceMs: number | undefined;
}

export interface CopyInFlight {
  readonly segmentId: SegmentId;
  readonly startOffset: bigint;
  readonly nextOffset: bigint;
  readonly attempt: number;
  readonly sinceMs: number;
  step: CopyStep | 'opening';
  totalBytes: number;
  sentBytes: number;
}

/** Codes an operator may look up; docs/findings.md is printed from it. */
export const findingCodes = {
  LOST_BEFORE_COPY:
    'Local retention deleted records before they were remote: they are in neither tier.',
  HEADROOM_LOW: 'Local retention will soon reach records that are not remote yet.',
  QUARANTINED: 'A segment’s log is damaged on disk; it is not copied.',
  CLAIM_REFUSED:
    'The broker believes that it leads, and the metastore says another owner is newer.',
  ORPHAN: 'An unfinished copy of an earlier owner may be the only copy, and cannot be adopted.',
  STORE_REFUSES: 'The object store refuses to keep a segment.',
  RETENTION_HELD: 'Remote retention waits for an operator or a grace to pass.',
  ABOVE_STORED_START:
    'The broker’s log starts inside a remote segment: DeleteRecords is not followed in watch mode.',
  LOG_DIR_FAILED: 'A log directory cannot be read.',
  TOPIC_NOT_LISTED:
    'The broker does not list a topic whose log lies on its disk: check the ACL Describe. Nothing remote is erased.',
  BROKER_UNREACHABLE:
    'The broker does not answer, refuses, or is one of another cluster. Nothing new is copied, nothing is erased.',
  WATCH_LIMIT: 'The kernel grants no more file watches; directories are looked at by time.',
  ERASE_REFUSED: 'The object store refuses to delete an object on the delete queue.',
} as const satisfies Record<string, string>;

export type FindingCode = keyof typeof findingCodes;

export interface PartitionFinding {
  readonly code: FindingCode;
  readonly text: string;
  readonly sinceMs: number;
  readonly startOffset?: bigint;
  readonly endOffset?: bigint;
}

export class PartitionState {
  directory: LocalDirectory;
  topicId: TopicId | undefined;
  rule: TopicSettings | undefined;
  claim: Claim | undefined;
  /** Why nothing of the partition is copied; undefined: copies go on. */
  blocked: Waiting | undefined;
  inFlight: CopyInFlight | undefined;
  claimAttempts = 0;
  /** Monotonic: earliest next try at the whole partition. */
  notBeforeMs = 0;
  /** Whether open intents of earlier owners have been settled under this claim. */
  orphansSettled = false;
  lastUploadMs: number | undefined;
  readonly waits = new Map<bigint, SegmentWait>();
  /** By start offset; closed segments do not change. */
  readonly closedFacts = new Map<bigint, ClosedFacts>();
  private readonly found = new Map<string, PartitionFinding>();

  constructor(directory: LocalDirectory) {
    this.directory = directory;
  }

  get name(): string {
    return `${this.directory.topic}-${this.directory.partition}`;
  }

  findings(): readonly PartitionFinding[] {
    return [...this.found.values()];
  }

  /** Keeps the time at which the same reason was first given. */
  block(reason: WaitingReason, detail: string | undefined, nowMs: number): void {
    const same = this.blocked?.reason === reason;
    this.blocked = { reason, detail, sinceMs: same ? (this.blocked?.sinceMs ?? nowMs) : nowMs };
  }

  unblock(): void {
    this.blocked = undefined;
  }

  /** Forgets what belongs to a claim. */
  dropClaim(): void {
    this.claim = undefined;
    this.orphansSettled = false;
  }

  report(finding: Omit<PartitionFinding, 'sinceMs'>, nowMs: number): void {
    const key = `${finding.code}:${finding.startOffset ?? ''}`;
    this.found.set(key, { ...finding, sinceMs: this.found.get(key)?.sinceMs ?? nowMs });
  }

  /** Drops the findings of this code that no longer hold. */
  retract(code: FindingCode, keep: (finding: PartitionFinding) => boolean = () => false): void {
    for (const [key, finding] of this.found) {
      if (finding.code === code && !keep(finding)) this.found.delete(key);
    }
  }

  /** What is remembered of segments that are no longer there goes. */
  keepOnly(startOffsets: ReadonlySet<bigint>): void {
    for (const map of [this.waits, this.closedFacts]) {
      for (const startOffset of map.keys())
        if (!startOffsets.has(startOffset)) map.delete(startOffset);
    }
    this.retract(
      'QUARANTINED',
      ({ startOffset }) => startOffset !== undefined && startOffsets.has(startOffset),
    );
  }
}
