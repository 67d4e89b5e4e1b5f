// Simulated sidecars that hold their feeds on one group, in a process of their own. argv[2]: a `FleetConfig` as JSON.
// Each line on standard input is an order, `lag` or `reconnect`; each is answered by one line of JSON.
import { createInterface } from 'node:readline';
import type { WatchResponse } from '../../src/gen/logtier/v1/catalog.ts';
import { type GrpcTransport, grpcTransport } from '../../src/metastore/client/catalog-transport.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { idNumber } from '../../test/support/metastore-catalog.ts';

export interface FleetConfig {
  readonly addresses: readonly string[];
  readonly clusterId: string;
  readonly sidecars: number;
  readonly partitionsOfSidecar: number;
}

export interface FleetAnswer {
  readonly events: number;
  /** From the leader's stamp on a change to its arrival. */
  readonly lagP50Ms: number;
  readonly lagP99Ms: number;
  /** Until every sidecar has heard again after all lost their streams at once; 0 for `lag`. */
  readonly catchUpMs: number;
  readonly cpuSeconds: number;
}

const config: FleetConfig = JSON.parse(process.argv[2] ?? '');
const { addresses, clusterId, sidecars, partitionsOfSidecar } = config;

/** Partitions of a load that begins at partition 0 are spread over all sidecars. */
function partitionsOf(sidecar: number): { topicId: string; partition: number }[] {
  return Array.from({ length: partitionsOfSidecar }, (_, at) => {
    const partition = at * sidecars + sidecar;
    return { topicId: idNumber(partition), partition };
  });
}

let lags: number[] = [];

class Sidecar {
  private readonly partitions: { topicId: string; partition: number }[];
  private readonly transport: GrpcTransport;
  private stream = new AbortController();
  private after: WatchResponse['revision'];
  private tellHeard: () => void = () => undefined;

  constructor(number: number) {
    this.partitions = partitionsOf(number);
    this.transport = grpcTransport(systemClock, addresses);
  }

  /** Loses its stream, if it has one, and comes again; resolves with the first message. */
  connect(): Promise<void> {
    this.stream.abort(new Error('the stream is lost'));
    this.stream = new AbortController();
    const heard = new Promise<void>((resolve) => {
      this.tellHeard = resolve;
    });
    void this.watch(this.stream.signal);
    return heard;
  }

  private async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const request = {
        clusterId,
        after: this.after,
        filter: { partitions: this.partitions },
      };
      try {
        for await (const message of this.transport.watch(request, signal)) this.hear(message);
      } catch (error) {
        if (!signal.aborted) process.stderr.write(`${String(error)}\n`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  private hear({ revision, events }: WatchResponse): void {
    this.after = revision;
    this.tellHeard();
    const nowMs = Date.now();
    for (const { event } of events) {
      if (event?.$case === 'segment') lags.push(nowMs - Number(event.value.eventTimestampMs));
    }
  }
}

function answer(catchUpMs: number): FleetAnswer {
  const sorted = lags.toSorted((left, right) => left - right);
  lags = [];
  const { user, system } = process.cpuUsage();
  return {
    events: sorted.length,
    lagP50Ms: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
    lagP99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
    catchUpMs,
    cpuSeconds: (user + system) / 1e6,
  };
}

const fleet = Array.from({ length: sidecars }, (_, at) => new Sidecar(at));

async function connectAll(): Promise<number> {
  const begun = performance.now();
  await Promise.all(fleet.map((sidecar) => sidecar.connect()));
  return performance.now() - begun;
}

const first = await connectAll();
process.stdout.write(`${JSON.stringify(answer(first))}\n`);
for await (const order of createInterface({ input: process.stdin })) {
  const catchUpMs = order === 'reconnect' ? await connectAll() : 0;
  process.stdout.write(`${JSON.stringify(answer(catchUpMs))}\n`);
}
process.exit(0);
