// A gRPC server: handlers are async functions and generators, errors are ours, and a call that ends for
// any reason fires its signal.
import {
  logVerbosity,
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { AssertionFailure } from '../base/assert.ts';
import { LogtierError } from '../base/errors.ts';
import { onAbort } from '../base/on-abort.ts';
import { abortError, type Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import { FramedMessage, frameToSend, sendFramesUncopied } from './framed-message.ts';
import type { CallContext, DuplexHandler, StreamHandler, UnaryHandler } from './method.ts';
import { pumpStream } from './pump-stream.ts';
import { removeStaleSocket } from './stale-socket.ts';
import { statusOf } from './status.ts';

export interface ServeDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ServeSettings {
  /** `host:port`, where port 0 takes a free one, or `unix:/path`. */
  readonly address: string;
  readonly maxMessageBytes: number;
  /** A reader that takes nothing for so long loses its stream. */
  readonly stalledMs: number;
  /** How long calls may go on after `stop`. */
  readonly stopMs: number;
}

export const defaultServeSettings: Omit<ServeSettings, 'address'> = {
  maxMessageBytes: 32 * 1024 * 1024,
  stalledMs: 60_000,
  stopMs: 2_000,
};

export interface RpcServer {
  /** As clients name it: with the port that was taken. */
  readonly address: string;
  /** Idempotent. Fires every call's signal, then waits for the calls, at most `stopMs`. */
  stop(): Promise<void>;
}

export interface RpcService {
  readonly definition: ServiceDefinition;
  /** By method, as `rpcService` checked them. */
  readonly handlers: ReadonlyMap<string, unknown>;
}

interface Unary<Request, Response> {
  readonly responseStream: false;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (response: Response) => Buffer;
}
interface Streaming<Request, Response> {
  readonly responseStream: true;
  readonly requestDeserialize: (bytes: Buffer) => Request;
  readonly responseSerialize: (response: Response) => Buffer;
}

interface Duplex<Request, Response> extends Streaming<Request, Response> {
  readonly requestStream: true;
}

/** One handler a method: a stream may yield framed messages as well. */
export type HandlersOf<Definition> = {
  readonly [Method in keyof Definition]: Definition[Method] extends Duplex<infer Q, infer R>
    ? DuplexHandler<Q, R | FramedMessage>
    : Definition[Method] extends Streaming<infer Q, infer R>
      ? StreamHandler<Q, R | FramedMessage>
      : Definition[Method] extends Unary<infer Q, infer R>
        ? UnaryHandler<Q, R>
        : never;
};

export function rpcService<Definition extends ServiceDefinition>(
  definition: Definition,
  handlers: HandlersOf<Definition>,
): RpcService {
  return { definition, handlers: new Map<string, unknown>(Object.entries(handlers)) };
}

/** Rejects with ALREADY_RUNNING when the address is taken. */
export async function serve(
  deps: ServeDeps,
  settings: ServeSettings,
  services: readonly RpcService[],
): Promise<RpcServer> {
  // What it would print to standard error comes to us as errors.
  setLogVerbosity(logVerbosity.NONE);
  sendFramesUncopied();
  const server = new Server({
    'grpc.max_receive_message_length': settings.maxMessageBytes,
    'grpc.max_send_message_length': settings.maxMessageBytes,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  const calls = new OpenCalls();
  for (const service of services) {
    server.addService(withFrames(service.definition), wire(deps, settings, service, calls));
  }
  await removeStaleSocket(settings.address);
  const port = await bind(server, settings.address);
  let stopping: Promise<void> | undefined;
  return {
    address: settings.address.replace(/:0$/, `:${port}`),
    stop: () => (stopping ??= stopServer(deps, settings, server, calls)),
  };
}

function bind(server: Server, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(bindError(address, error));
    });
  });
}

function bindError(address: string, cause: Error): LogtierError {
  const isTaken = cause.message.includes('EADDRINUSE');
  return new LogtierError(
    isTaken ? 'ALREADY_RUNNING' : 'INVALID_CONFIG',
    `cannot listen on ${address}: ${cause.message}`,
    { cause, hint: 'stop the process that listens there, or choose another address' },
  );
}

async function stopServer(
  { clock }: ServeDeps,
  { stopMs }: ServeSettings,
  server: Server,
  calls: OpenCalls,
): Promise<void> {
  calls.end(new LogtierError('ABORTED', 'the server stops'));
  const quiet = new Promise<void>((resolve) => {
    server.tryShutdown(() => {
      resolve();
    });
  });
  const patience = new AbortController();
  const late = clock.sleep(stopMs, patience.signal).catch(() => undefined);
  await Promise.race([quiet, late]);
  patience.abort();
  server.forceShutdown();
}

/** Calls under way: their signals fire when the server stops. */
class OpenCalls {
  private readonly controllers = new Set<AbortController>();

  open(): AbortController {
    const controller = new AbortController();
    this.controllers.add(controller);
    return controller;
  }

  close(controller: AbortController): void {
    this.controllers.delete(controller);
  }

  end(reason: LogtierError): void {
    for (const controller of this.controllers) controller.abort(reason);
  }
}

function withFrames(definition: ServiceDefinition): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => {
      const responseSerialize = (value: unknown): Buffer =>
        value instanceof FramedMessage ? frameToSend(value) : method.responseSerialize(value);
      return [name, { ...method, responseSerialize }];
    }),
  );
}

function isStreamHandler(
  method: ServiceDefinition[string],
  handler: unknown,
): handler is StreamHandler<unknown, unknown> {
  return !method.requestStream && method.responseStream && typeof handler === 'function';
}

function isDuplexHandler(
  method: ServiceDefinition[string],
  handler: unknown,
): handler is DuplexHandler<unknown, unknown> {
  return method.requestStream && method.responseStream && typeof handler === 'function';
}

function isUnaryHandler(
  method: ServiceDefinition[string],
  handler: unknown,
): handler is UnaryHandler<unknown, unknown> {
  return !method.responseStream && typeof handler === 'function';
}

function wire(
  deps: ServeDeps,
  settings: ServeSettings,
  service: RpcService,
  calls: OpenCalls,
): UntypedServiceImplementation {
  const wired: UntypedServiceImplementation = {};
  for (const [name, method] of Object.entries(service.definition)) {
    const handler = service.handlers.get(name);
    if (isStreamHandler(method, handler)) {
      wired[name] = (call: ServerWritableStream<unknown, unknown>): void => {
        const messages = (context: CallContext) => handler(call.request, context);
        void answerStream(deps, settings, { call, messages, calls });
      };
    } else if (isDuplexHandler(method, handler)) {
      wired[name] = (call: ServerDuplexStream<unknown, unknown>): void => {
        const messages = (context: CallContext) =>
          handler(requestsOf(call, context.signal), context);
        void answerStream(deps, settings, { call, messages, calls });
      };
    } else if (isUnaryHandler(method, handler)) {
      wired[name] = (call: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) => {
        void answerUnary(deps, { call, reply, handler, calls });
      };
    }
  }
  return wired;
}

interface UnaryAnswer {
  readonly call: ServerUnaryCall<unknown, unknown>;
  readonly reply: sendUnaryData<unknown>;
  readonly handler: UnaryHandler<unknown, unknown>;
  readonly calls: OpenCalls;
}

async function answerUnary(
  deps: ServeDeps,
  { call, reply, handler, calls }: UnaryAnswer,
): Promise<void> {
  const controller = calls.open();
  call.on('cancelled', () => {
    controller.abort(callerLeft());
  });
  try {
    reply(null, await handler(call.request, contextOf(call, controller)));
  } catch (error) {
    reportBug(deps, call.getPath(), error);
    reply(statusOf(error));
  } finally {
    calls.close(controller);
  }
}

interface StreamAnswer {
  readonly call: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;
  readonly messages: (context: CallContext) => AsyncIterable<unknown>;
  readonly calls: OpenCalls;
}

async function answerStream(
  deps: ServeDeps,
  { stalledMs }: ServeSettings,
  { call, messages: answer, calls }: StreamAnswer,
): Promise<void> {
  const controller = calls.open();
  call.on('cancelled', () => {
    controller.abort(callerLeft());
  });
  try {
    const messages = answer(contextOf(call, controller));
    await pumpStream(deps.clock, { stalledMs }, { messages, call }, controller.signal);
    call.end();
  } catch (error) {
    // Emitted, not destroyed: destroy would lose the status (server-call.js, ServerWritableStreamImpl).
    if (!call.cancelled) call.emit('error', statusOf(error));
    reportBug(deps, call.getPath(), error);
  } finally {
    calls.close(controller);
    controller.abort(callerLeft());
  }
}

async function* requestsOf(
  call: ServerDuplexStream<unknown, unknown>,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  // Left alone, not destroyed, when the signal fires and when the requests end: a destroyed call could send
  // no answer and no status, and its connection would stay open.
  const requests: AsyncIterator<unknown> = call.iterator({ destroyOnReturn: false });
  let interrupt: (() => void) | undefined;
  const forget = onAbort(signal, () => {
    interrupt?.();
  });
  try {
    for (;;) {
      const next = await new Promise<IteratorResult<unknown>>((resolve, reject) => {
        // A new one each time: a promise for the whole call would gather a listener a message.
        interrupt = (): void => {
          reject(abortError(signal));
        };
        if (signal.aborted) interrupt();
        else requests.next().then(resolve, reject);
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    forget();
  }
}

function contextOf(
  call: Pick<ServerUnaryCall<unknown, unknown>, 'getPeer'>,
  controller: AbortController,
): CallContext {
  return { signal: controller.signal, peer: call.getPeer() };
}

function callerLeft(): LogtierError {
  return new LogtierError('ABORTED', 'the caller left');
}

/** A failed assertion ends the process: it is rethrown where nobody catches. */
function reportBug({ log }: ServeDeps, path: string, error: unknown): void {
  if (error instanceof LogtierError) return;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.error({ path, stack }, 'a call failed for an unknown reason');
  if (error instanceof AssertionFailure) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
