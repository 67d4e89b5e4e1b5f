// The part of a generated service that we use, typed per method.

export interface UnaryMethod<Request, Response> {
  readonly path: string;
  readonly responseStream: false;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

export interface StreamMethod<Request, Response> {
  readonly path: string;
  readonly responseStream: true;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

/** Both ends send at their own pace. */
export interface DuplexMethod<Request, Response> extends StreamMethod<Request, Response> {
  readonly requestStream: true;
}

export interface CallContext {
  /** Fires when the caller leaves, its deadline passes or the server stops. */
  readonly signal: AbortSignal;
  readonly peer: string;
}

// Declared as methods: a server holds handlers of all request types in one table.
interface HandlerShapes<Request, Response> {
  unary(request: Request, context: CallContext): Promise<Response>;
  /** Asked for the next message only when the last one is on its way; `return` runs when the caller leaves. */
  stream(request: Request, context: CallContext): AsyncIterable<Response>;
  /** As a stream; the requests end when the caller has said all, or leaves. */
  duplex(requests: AsyncIterable<Request>, context: CallContext): AsyncIterable<Response>;
}

export type UnaryHandler<Request, Response> = HandlerShapes<Request, Response>['unary'];
export type StreamHandler<Request, Response> = HandlerShapes<Request, Response>['stream'];
export type DuplexHandler<Request, Response> = HandlerShapes<Request, Response>['duplex'];
