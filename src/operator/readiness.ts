// Whether the process is live, and whether it is ready, in words. Only a stuck event loop makes it not live: an
// outage of a store or a broker must not restart every sidecar.
import { hasCode, LogtierError } from '../base/errors.ts';
import { SingleFlight } from '../base/single-flight.ts';
import { printDuration } from '../base/units.ts';
import type { BrokerView } from '../broker/broker-view.ts';
import type { Clock } from '../platform/clock.ts';
import type { Disk } from '../platform/disk.ts';
import type { LoopDelay } from '../platform/loop-delay.ts';
import { PROBE_PREFIX } from '../store/object-key.ts';
import type { ObjectStore } from '../store/object-store.ts';
import type { UploaderStatus } from '../uploader/uploader-status.ts';
import { bounded } from './bounded.ts';
import { errorWords } from './error-words.ts';
import type { RemoteCatalog } from './remote-catalog.ts';

export interface ReadinessDeps {
  readonly uploader: Pick<UploaderStatus, 'notReady'>;
  readonly catalog: Pick<RemoteCatalog, 'lag'>;
  readonly broker: Pick<BrokerView, 'metadata'>;
  /** By configured name. */
  readonly stores: ReadonlyMap<string, Pick<ObjectStore, 'stat'>>;
  readonly disk: Pick<Disk, 'list'>;
  readonly clock: Clock;
  /** One of its own: what is taken from it is gone for others. */
  readonly loopDelay: LoopDelay;
}

export interface ReadinessSettings {
  readonly logDirs: readonly string[];
  /** As the view's own: it answers NOT_READY above it (rule 21). */
  readonly freshMs: number;
  /** An answer of a store, a broker or a directory counts so long; an unready page asks again. */
  readonly answerMs: number;
  /** Longest wait for one of them. */
  readonly waitMs: number;
}

/** Half of all ticks this late: the process serves nobody and will not mend by itself. */
const STUCK_MS = 1_000;
/** Never there: a store that says so has answered. */
const ABSENT_KEY = `${PROBE_PREFIX}readyz`;

interface Answer {
  readonly atMs: number;
  readonly problem: string | undefined;
}

export class Readiness {
  private readonly deps: ReadinessDeps;
  private readonly settings: ReadinessSettings;
  private readonly answers = new Map<string, Answer>();
  private readonly asking = new SingleFlight<Answer>();
  private readonly stopping = new AbortController();

  constructor(deps: ReadinessDeps, settings: ReadinessSettings) {
    this.deps = deps;
    this.settings = settings;
  }

  notLive(): readonly string[] {
    const { medianMs } = this.deps.loopDelay.take();
    if (medianMs < STUCK_MS) return [];
    return [`the event loop is ${printDuration(medianMs)} late most of the time`];
  }

  /** Asks what has not answered well lately; so many pages cost one question each. */
  async notReady(): Promise<readonly string[]> {
    const { uploader, broker, stores, disk } = this.deps;
    const problems = await Promise.all([
      this.lately('the broker', (signal) => broker.metadata([], signal)),
      ...this.settings.logDirs.map((logDir) =>
        this.lately(`log directory ${logDir}`, () => disk.list(logDir)),
      ),
      ...[...stores].map(([name, store]) =>
        this.lately(`store ${name}`, (signal) => answers(store, signal)),
      ),
    ]);
    const told = problems.filter((problem) => problem !== undefined);
    return [...uploader.notReady(), ...this.staleView(), ...told];
  }

  /** Idempotent: ends the questions under way. */
  stop(): void {
    this.stopping.abort(new LogtierError('ABORTED', 'the process stops'));
  }

  private staleView(): string[] {
    const { silentMs, revisions } = this.deps.catalog.lag();
    if (silentMs <= this.settings.freshMs) return [];
    const behind = revisions > 0 ? `, ${revisions} revisions behind it` : '';
    return Number.isFinite(silentMs)
      ? [
          `the local view has not caught up with the metastore for ${printDuration(silentMs)}${behind}`,
        ]
      : [`the local view has not caught up with the metastore yet${behind}`];
  }

  private async lately(
    what: string,
    ask: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<string | undefined> {
    const { clock } = this.deps;
    const last = this.answers.get(what);
    const isGood = last !== undefined && last.problem === undefined;
    if (isGood && clock.monotonicMs() - last.atMs < this.settings.answerMs) return undefined;
    const answer = await this.asking.run(what, () => this.askNow(what, ask));
    this.answers.set(what, answer);
    return answer.problem;
  }

  private async askNow(
    what: string,
    ask: (signal: AbortSignal) => Promise<unknown>,
  ): Promise<Answer> {
    const { clock } = this.deps;
    const { waitMs } = this.settings;
    const atMs = clock.monotonicMs();
    try {
      await bounded(clock, waitMs, ask, this.stopping.signal);
      return { atMs, problem: undefined };
    } catch (error) {
      return { atMs, problem: `${what}: ${errorWords(error)}` };
    }
  }
}

async function answers(store: Pick<ObjectStore, 'stat'>, signal: AbortSignal): Promise<void> {
  try {
    await store.stat(ABSENT_KEY, signal);
  } catch (error) {
    if (!hasCode(error, 'OBJECT_NOT_FOUND')) throw error;
  }
}
