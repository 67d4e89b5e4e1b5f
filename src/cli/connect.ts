// The operator's service over gRPC.
import { LogtierError } from '../base/errors.ts';
import { OperatorServiceService as methods } from '../gen/logtier/v1/operator.ts';
import type { Clock } from '../platform/clock.ts';
import { defaultChannelSettings, openChannel } from '../rpc/channel.ts';
import type { OperatorCalls } from './operator-calls.ts';

/** Questions that look at the broker and the stores may take a while. */
const ANSWER_MS = 30_000;
/** One window of a stream of chunks. */
const WINDOW_BYTES = 16 * 2 ** 20;

/** @param address HOST:PORT or unix:/path. Connects with the first call. */
export function connectOperator(clock: Clock, address: string): OperatorCalls {
  const channel = openChannel(clock, {
    ...defaultChannelSettings,
    address,
    unavailableAs: 'METASTORE_UNAVAILABLE',
    windowBytes: WINDOW_BYTES,
  });
  const told = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      throw withHint(error, address);
    }
  };
  async function* toldEach<T>(answers: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* answers;
    } catch (error) {
      throw withHint(error, address);
    }
  }
  return {
    listPartitions: (request, signal) =>
      told(channel.unary(methods.listPartitions, request, ANSWER_MS, signal)),
    describePartition: (request, signal) =>
      told(channel.unary(methods.describePartition, request, ANSWER_MS, signal)),
    explain: (request, signal) => told(channel.unary(methods.explain, request, ANSWER_MS, signal)),
    getSegment: (request, signal) =>
      told(channel.unary(methods.getSegment, request, ANSWER_MS, signal)),
    diagnose: (request, signal) =>
      told(channel.unary(methods.diagnose, request, ANSWER_MS, signal)),
    confirmClock: (request, signal) =>
      told(channel.unary(methods.confirmClock, request, ANSWER_MS, signal)),
    releaseClaim: (request, signal) =>
      told(channel.unary(methods.releaseClaim, request, ANSWER_MS, signal)),
    resetClaim: (request, signal) =>
      told(channel.unary(methods.resetClaim, request, ANSWER_MS, signal)),
    listRemoteSegments: (request, signal) =>
      toldEach(channel.stream(methods.listRemoteSegments, request, signal)),
    watchTasks: (request, signal) => toldEach(channel.stream(methods.watchTasks, request, signal)),
    readObject: (request, signal) => toldEach(channel.stream(methods.readObject, request, signal)),
    readRecords: (request, signal) =>
      toldEach(channel.stream(methods.readRecords, request, signal)),
    auditStore: (request, signal) => toldEach(channel.stream(methods.auditStore, request, signal)),
    close: () => {
      channel.stop();
    },
  };
}

/** Nothing answered: the address and the mend are all that helps. */
function withHint(error: unknown, address: string): unknown {
  if (
    !(error instanceof LogtierError) ||
    error.code !== 'METASTORE_UNAVAILABLE' ||
    error.hint !== undefined
  )
    return error;
  return new LogtierError(error.code, `nothing answers at ${address}`, {
    hint: 'is the sidecar running? Name another one with --endpoint, LOGTIER_ENDPOINT or --config',
    cause: error,
  });
}
