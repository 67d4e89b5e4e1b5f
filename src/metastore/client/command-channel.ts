// Commands of one client, in order and exactly once: one call in flight, everything queued meanwhile goes
// with the next, and a command is repeated under its number until it is answered by value (rules 4, 22).
import { backoffMs } from '../../base/backoff.ts';
import { hasCode, isErrorCode, LogtierError, reactionTo } from '../../base/errors.ts';
import {
  Command,
  type CommandResult,
  type Op,
  type OpResult,
} from '../../gen/logtier/v1/catalog_command.ts';
import { abortError, type Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import type { Random } from '../../platform/random.ts';
import { compareTokens, type Revision } from '../../segment/ids.ts';
import { onAbort } from '../../base/on-abort.ts';
import type { CatalogTransport } from './catalog-transport.ts';
import type { ClientIdentity, MetastoreClientSettings } from './settings.ts';

export type AnyOp = NonNullable<Op['op']>;
export type OpAnswer = Exclude<NonNullable<OpResult['result']>, { $case: 'refused' }>;

export interface CommandAnswer {
  readonly revision: Revision;
  /** One an operation. */
  readonly answers: readonly OpAnswer[];
}

export interface CommandChannelDeps {
  readonly transport: CatalogTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Below the metastore's 512 KiB and 1,024 operations a call, with room for what a command adds. */
const MAX_CALL_BYTES = 448 * 1024;
const MAX_CALL_OPS = 1024;
const COMMAND_OVERHEAD_BYTES = 512;

/** An election takes a second or two; whoever waits longer prolongs the outage. */
const ELECTION_RETRY_MS = 500;

interface Waiting {
  readonly ops: readonly AnyOp[];
  readonly bytes: number;
  isSent: boolean;
  resolve(answer: CommandAnswer): void;
  reject(error: LogtierError): void;
}

interface Session {
  readonly clientId: bigint;
  readonly incarnation: number;
  nextSeq: bigint;
}

export class CommandChannel {
  private readonly deps: CommandChannelDeps;
  private readonly settings: MetastoreClientSettings;
  private readonly identity: ClientIdentity;
  private readonly stopped = new AbortController();
  private queue: Waiting[] = [];
  private session: Session | undefined;
  private pumping: Promise<void> | undefined;
  private answered: Revision | undefined;

  constructor(
    deps: CommandChannelDeps,
    settings: MetastoreClientSettings,
    identity: ClientIdentity,
  ) {
    this.deps = deps;
    this.settings = settings;
    this.identity = identity;
  }

  get clusterId(): string {
    return this.identity.clusterId;
  }

  get brokerId(): number {
    return this.identity.brokerId;
  }

  /**
   * All of `ops` or none. A refusal rejects with its code. ABORTED: never sent. OUTCOME_UNKNOWN: the signal
   * fired, or the session ended, after it was sent; it is not sent again.
   */
  submit(ops: readonly AnyOp[], signal: AbortSignal): Promise<CommandAnswer> {
    const bytes = sizeOf(ops);
    return new Promise((resolve, reject) => {
      const refusal = this.whyNotTaken(ops.length, bytes, signal);
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      const waiting: Waiting = {
        ops,
        bytes,
        isSent: false,
        resolve: (answer) => {
          forget();
          this.noteAnswer(answer.revision);
          resolve(answer);
        },
        reject: (error) => {
          forget();
          reject(error);
        },
      };
      const forget = onAbort(signal, () => {
        this.giveUp(waiting, signal);
      });
      this.queue.push(waiting);
      this.pumpSoon();
    });
  }

  /** A view at this revision shows every change of this client that was answered. */
  get answeredRevision(): Revision | undefined {
    return this.answered;
  }

  private noteAnswer(revision: Revision): void {
    if (this.answered === undefined || compareTokens(revision, this.answered) > 0)
      this.answered = revision;
  }

  /** Idempotent. What was sent and not answered rejects with OUTCOME_UNKNOWN. */
  async stop(): Promise<void> {
    this.stopped.abort(new LogtierError('ABORTED', 'the metastore client stops'));
    for (const waiting of this.queue.splice(0)) waiting.reject(abortError(this.stopped.signal));
    await this.pumping;
  }

  private whyNotTaken(ops: number, bytes: number, signal: AbortSignal): LogtierError | undefined {
    if (this.stopped.signal.aborted) return abortError(this.stopped.signal);
    if (signal.aborted) return abortError(signal);
    if (ops === 0 || ops > MAX_CALL_OPS || bytes > MAX_CALL_BYTES) {
      const size = `${ops} operations and ${bytes} bytes`;
      return new LogtierError('INVALID_ARGUMENT', `no command can have ${size}`);
    }
    if (this.queue.length < this.settings.queuedCommands) return undefined;
    return new LogtierError('OVERLOADED', `${this.queue.length} commands wait for the metastore`);
  }

  private giveUp(waiting: Waiting, signal: AbortSignal): void {
    const cause = abortError(signal);
    if (waiting.isSent) waiting.reject(unknownOutcome('nobody waits for it any more', cause));
    else {
      this.queue = this.queue.filter((other) => other !== waiting);
      waiting.reject(cause);
    }
  }

  private pumpSoon(): void {
    // A turn later: what is submitted together goes together.
    this.pumping ??= Promise.resolve()
      .then(() => this.pump())
      .finally(() => {
        this.pumping = undefined;
        if (this.queue.length > 0 && !this.stopped.signal.aborted) this.pumpSoon();
      });
  }

  private async pump(): Promise<void> {
    while (this.queue.length > 0 && !this.stopped.signal.aborted) {
      const session = (this.session ??= await this.register());
      if (session === undefined) return;
      await this.send(session, this.takeBatch());
    }
  }

  private takeBatch(): Waiting[] {
    let bytes = 0;
    let ops = 0;
    let taken = 0;
    for (const waiting of this.queue) {
      bytes += waiting.bytes;
      ops += waiting.ops.length;
      if (taken > 0 && (bytes > MAX_CALL_BYTES || ops > MAX_CALL_OPS)) break;
      taken += 1;
    }
    return this.queue.splice(0, taken);
  }

  private async send(session: Session, batch: readonly Waiting[]): Promise<void> {
    const first = session.nextSeq;
    const commands = batch.map((waiting, at): Command => {
      waiting.isSent = true;
      const seq = first + BigInt(at);
      return {
        ...this.blank(session),
        seq,
        ops: waiting.ops.map((op) => ({ op })),
        answeredBelow: first,
      };
    });
    session.nextSeq = first + BigInt(batch.length);
    try {
      const results = await this.untilAnswered(commands);
      this.settle(batch, commands, results);
    } catch (error) {
      // Numbers that nobody answered would leave a gap: a new session begins at one.
      this.session = undefined;
      const reason = error instanceof LogtierError ? error : unknownOutcome(String(error), error);
      for (const waiting of batch) waiting.reject(reason);
    }
  }

  private settle(
    batch: readonly Waiting[],
    commands: readonly Command[],
    results: readonly CommandResult[],
  ): void {
    const bySeq = new Map(results.map((result) => [result.seq, result]));
    batch.forEach((waiting, at) => {
      const answer = answerOf(bySeq.get(commands[at]?.seq ?? 0n));
      if (!(answer instanceof LogtierError)) waiting.resolve(answer);
      else if (answer.code === 'SESSION_EXPIRED') {
        // An earlier try may have been applied before the session was lost (rule 22).
        this.session = undefined;
        waiting.reject(unknownOutcome('the session ended before the answer came', answer));
      } else waiting.reject(answer);
    });
  }

  /** Repeats the same commands until the metastore answers; rejects when they were surely not taken. */
  private async untilAnswered(commands: readonly Command[]): Promise<readonly CommandResult[]> {
    const request = { clusterId: this.identity.clusterId, commands: [...commands] };
    for (let attempt = 0; ; attempt += 1) {
      try {
        const { results } = await this.deps.transport.mutate(request, this.stopped.signal);
        return results;
      } catch (error) {
        if (this.stopped.signal.aborted) throw unknownOutcome('the client stopped', error);
        if (!isRepeatable(error)) throw error;
        await this.waitToRetry(attempt, error);
      }
    }
  }

  private async waitToRetry(attempt: number, error: unknown): Promise<void> {
    const { clock, random, logger } = this.deps;
    const { firstRetryMs, longestRetryMs } = this.settings;
    const longest = hasCode(error, 'NOT_LEADER')
      ? Math.min(longestRetryMs, ELECTION_RETRY_MS)
      : longestRetryMs;
    const waitMs = backoffMs({ firstRetryMs, longestRetryMs: longest }, attempt, random.share());
    logger.debug({ attempt, waitMs, reason: String(error) }, 'the metastore did not answer');
    try {
      await clock.sleep(waitMs, this.stopped.signal);
    } catch (cause) {
      throw unknownOutcome('the client stopped', cause);
    }
  }

  /** Undefined when the client stops meanwhile. */
  private async register(): Promise<Session | undefined> {
    const { brokerId, instance } = this.identity;
    const op: AnyOp = { $case: 'registerClient', value: { brokerId, instance } };
    const command = { ...this.blank(undefined), ops: [{ op }] };
    for (let attempt = 0; !this.stopped.signal.aborted; attempt += 1) {
      try {
        const [result] = await this.untilAnswered([command]);
        const answer = answerOf(result);
        if (answer instanceof LogtierError) throw answer;
        const [registered] = answer.answers;
        if (registered?.$case === 'clientRegistered') {
          const { incarnation } = answer.revision;
          return { clientId: registered.value.clientId, incarnation, nextSeq: 1n };
        }
      } catch (error) {
        if (this.stopped.signal.aborted) return undefined;
        this.deps.logger.warn({ reason: String(error) }, 'the metastore refuses this client');
        await this.waitToRetry(attempt, error).catch(() => undefined);
      }
    }
    return undefined;
  }

  private blank(session: Session | undefined): Command {
    return {
      incarnation: session?.incarnation ?? 0,
      clientId: session?.clientId ?? 0n,
      seq: 0n,
      nowMs: 0n,
      clusterId: this.identity.clusterId,
      ops: [],
      answeredBelow: 0n,
    };
  }
}

function sizeOf(ops: readonly AnyOp[]): number {
  const command: Command = {
    incarnation: 0,
    clientId: 0n,
    seq: 0n,
    nowMs: 0n,
    clusterId: '',
    ops: ops.map((op) => ({ op })),
    answeredBelow: 0n,
  };
  return Command.encode(command).finish().length + COMMAND_OVERHEAD_BYTES;
}

function isRepeatable(error: unknown): boolean {
  return reactionTo(error) === 'retry' || hasCode(error, 'ABORTED');
}

function unknownOutcome(why: string, cause: unknown): LogtierError {
  return new LogtierError('OUTCOME_UNKNOWN', `a command was sent, but ${why}`, { cause });
}

/** The answer of a whole command, or why it was refused. */
function answerOf(result: CommandResult | undefined): CommandAnswer | LogtierError {
  if (result?.revision === undefined) return unknownOutcome('the answer is missing', undefined);
  const answers: OpAnswer[] = [];
  let refusal: LogtierError | undefined;
  for (const { result: answer } of result.results) {
    if (answer?.$case === 'refused') refusal = worseOf(refusal, answer.value);
    else if (answer !== undefined) answers.push(answer);
  }
  return refusal ?? { revision: result.revision, answers };
}

/** Operations that were refused only because of another one answer ABORTED: the other one is the reason. */
function worseOf(
  known: LogtierError | undefined,
  { code, message }: { readonly code: string; readonly message: string },
): LogtierError {
  if (known !== undefined && known.code !== 'ABORTED') return known;
  const named = isErrorCode(code) ? code : 'INVALID_ARGUMENT';
  return new LogtierError(named, message);
}
