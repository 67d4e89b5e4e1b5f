// Between a client and the members: calls are lost before or after they took effect, come twice and late,
// and streams break. Every answer is looked at before the client gets it.
import { LogtierError } from '../../../src/base/errors.ts';
import { onAbort } from '../../../src/base/on-abort.ts';
import type { MutateRequest, MutateResponse } from '../../../src/gen/logtier/v1/catalog.ts';
import type { CatalogTransport } from '../../../src/metastore/client/catalog-transport.ts';
import type { CatalogService } from '../../../src/metastore/service/catalog-service.ts';
import { abortError } from '../../../src/platform/clock.ts';
import type { Process } from './process.ts';
import type { Life } from './sim-member.ts';
import type { SimNetwork } from './sim-network.ts';

const CALL_MS = 1_500;
/** A stream over a cut link ends by its keep-alive. */
const KEEP_ALIVE_MS = 1_000;

export interface DoorDeps {
  readonly name: string;
  readonly process: Process;
  readonly network: SimNetwork;
  /** Who may be asked, now. */
  readonly members: () => readonly number[];
  readonly lifeOf: (id: number) => Life | undefined;
  readonly answered: (request: MutateRequest, response: MutateResponse) => void;
}

export class SimDoor implements CatalogTransport {
  private readonly deps: DoorDeps;
  private turn = 0;

  constructor(deps: DoorDeps) {
    this.deps = deps;
  }

  mutate: CatalogTransport['mutate'] = (request, signal) =>
    this.ask(async (service, callSignal) => {
      const response = await service.mutate(request, callSignal);
      this.deps.answered(request, response);
      return response;
    }, signal);

  query: CatalogTransport['query'] = (request, signal) =>
    this.ask((service, callSignal) => service.query(request, callSignal), signal);

  listSegments: CatalogTransport['listSegments'] = (request, signal) =>
    this.stream((service, callSignal) => service.listSegments(request, callSignal), signal);

  watch: CatalogTransport['watch'] = (request, signal) =>
    this.stream((service, callSignal) => service.watch(request, callSignal), signal);

  private target(): number {
    const members = this.deps.members();
    return members[this.turn % members.length] ?? 0;
  }

  private ask<T>(
    serve: (service: CatalogService, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const { process, network } = this.deps;
    const { host } = process;
    const target = this.target();
    const call = new AbortController();
    return new Promise((resolve, reject) => {
      let isOver = false;
      const finish = (settle: () => void): void => {
        if (isOver) return;
        isOver = true;
        forget();
        settle();
      };
      const fail = (error: unknown): void => {
        finish(() => {
          this.turn += 1;
          reject(error);
        });
      };
      const forget = onAbort(signal, () => {
        call.abort(abortError(signal));
        finish(() => {
          reject(abortError(signal));
        });
      });
      process.after(CALL_MS, () => {
        call.abort(new LogtierError('ABORTED', 'the client waits no longer'));
        fail(new LogtierError('METASTORE_UNAVAILABLE', 'no answer in time'));
      });
      this.send(target, (service) => serve(service, call.signal), {
        succeed: (value: T) => {
          finish(() => {
            resolve(value);
          });
        },
        fail,
      });
      if (host.draw() < network.weather.doubleShare) this.sendAgain(target, serve);
    });
  }

  /** What the network doubled may come seconds later. */
  private sendAgain<T>(
    target: number,
    serve: (service: CatalogService, signal: AbortSignal) => Promise<T>,
  ): void {
    const { schedule, draw } = this.deps.process.host;
    const never = new AbortController().signal;
    schedule.after(draw() * 3000, () => {
      this.send(target, (service) => serve(service, never), {
        succeed: () => undefined,
        fail: () => undefined,
      });
    });
  }

  private send<T>(
    target: number,
    serve: (service: CatalogService) => Promise<T>,
    settle: { succeed(value: T): void; fail(error: unknown): void },
  ): void {
    const { process, network, name, lifeOf } = this.deps;
    const { schedule } = process.host;
    const answer = (run: () => void): void => {
      schedule.after(network.latencyMs(), () => {
        if (!network.isLost(target, name)) process.after(0, run);
      });
    };
    schedule.after(network.latencyMs(), () => {
      if (network.isLost(name, target)) return;
      const life = lifeOf(target);
      const gone = (): void => {
        answer(() => {
          settle.fail(new LogtierError('METASTORE_UNAVAILABLE', 'the member is not there'));
        });
      };
      if (life === undefined) gone();
      else serveIn(life, serve, { answer, gone, settle });
    });
  }

  private async *stream<T>(
    open: (service: CatalogService, signal: AbortSignal) => AsyncIterable<T>,
    signal: AbortSignal,
  ): AsyncGenerator<T, void, undefined> {
    const { process, network, name, lifeOf } = this.deps;
    const target = this.target();
    const call = new AbortController();
    const cut = promiseToFail();
    const forget = onAbort(signal, () => {
      cut.fail(abortError(signal));
    });
    let forgetLife = nothing;
    try {
      await Promise.race([process.wait(network.latencyMs()), cut.failed]);
      const life = lifeOf(target);
      if (life === undefined || network.isLost(name, target)) throw broken();
      forgetLife = life.process.atEnd(() => {
        cut.fail(broken());
      });
      const items = open(life.service, call.signal)[Symbol.asyncIterator]();
      for (;;) {
        const next = await Promise.race([nextIn(life.process, items), cut.failed]);
        if (next.done === true) return;
        await Promise.race([this.arrival(target), cut.failed]);
        yield next.value;
      }
    } catch (error) {
      if (!signal.aborted) this.turn += 1;
      throw error;
    } finally {
      forget();
      forgetLife();
      call.abort(new LogtierError('ABORTED', 'the stream ended'));
    }
  }

  private async arrival(target: number): Promise<void> {
    const { process, network, name } = this.deps;
    await process.wait(network.latencyMs());
    if (process.host.draw() < network.weather.lossShare / 4) throw broken();
    if (!network.blocked.has(`${target}>${name}`)) return;
    await process.wait(KEEP_ALIVE_MS);
    throw broken();
  }
}

function nothing(): void {}

function aborter(): { readonly signal: AbortSignal; readonly abort: (reason: Error) => void } {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    abort: (reason) => {
      controller.abort(reason);
    },
  };
}

function broken(): LogtierError {
  return new LogtierError('METASTORE_UNAVAILABLE', 'the stream broke');
}

function serveIn<T>(
  life: Life,
  serve: (service: CatalogService) => Promise<T>,
  back: {
    readonly answer: (run: () => void) => void;
    readonly gone: () => void;
    readonly settle: { succeed(value: T): void; fail(error: unknown): void };
  },
): void {
  const { answer, gone, settle } = back;
  const forget = life.process.atEnd(gone);
  life.process.after(0, () => {
    void serve(life.service)
      .finally(forget)
      .then(
        (value) => {
          answer(() => {
            settle.succeed(value);
          });
          return undefined;
        },
        (error: unknown) => {
          answer(() => {
            settle.fail(error);
          });
        },
      );
  });
}

/** The member works for it only while it runs. */
function nextIn<T>(process: Process, items: AsyncIterator<T>): Promise<IteratorResult<T>> {
  return new Promise((resolve, reject) => {
    process.after(0, () => {
      items.next().then(resolve, reject);
    });
  });
}

function promiseToFail(): { readonly failed: Promise<never>; fail(error: Error): void } {
  const { signal, ...aborting } = aborter();
  const failed = new Promise<never>((_, reject) => {
    onAbort(signal, () => {
      reject(abortError(signal));
    });
  });
  failed.catch(nothing);
  return { failed, fail: aborting.abort };
}
