// A store that misbehaves by a script: for tests, the simulator and drills. The script is data.
import type { ErrorCode } from '../../base/errors.ts';
import { LogtierError } from '../../base/errors.ts';
import { abortError, throwIfAborted } from '../../platform/clock.ts';
import type { ByteSource, ObjectStore } from '../object-store.ts';

type Operation = keyof ObjectStore;

export type StoreFault =
  /** Throws without asking the store. */
  | { readonly kind: 'fail'; readonly code: ErrorCode }
  /** The store does it and the answer is lost. */
  | { readonly kind: 'lose-answer'; readonly code: ErrorCode }
  /** Nothing happens until the signal fires. */
  | { readonly kind: 'hang' }
  /** A stream breaks with `code` after so many bytes (get) or a source after so many (put). */
  | { readonly kind: 'cut'; readonly afterBytes: number; readonly code: ErrorCode }
  /** A get ends quietly after so many bytes: what the contract forbids. */
  | { readonly kind: 'shorten'; readonly afterBytes: number }
  /** One bit of this byte of the pass is flipped, on the way up or down. */
  | { readonly kind: 'flip'; readonly atByte: number };

export interface ScriptedFault {
  readonly op: Operation;
  /** Which calls of this operation, counted from 0: [start, end). Default: all. */
  readonly calls?: { readonly start: number; readonly end: number };
  readonly fault: StoreFault;
}

/** Answers the next call's fault, counting calls by operation. */
class Script {
  private readonly faults: readonly ScriptedFault[];
  private readonly counts = new Map<Operation, number>();

  constructor(faults: readonly ScriptedFault[]) {
    this.faults = faults;
  }

  next(op: Operation): StoreFault | undefined {
    const call = this.counts.get(op) ?? 0;
    this.counts.set(op, call + 1);
    const hit = this.faults.find(
      ({ op: at, calls }) =>
        at === op && (calls === undefined || (call >= calls.start && call < calls.end)),
    );
    return hit?.fault;
  }
}

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const onAbort = (): void => {
      reject(abortError(signal));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

function scripted(code: ErrorCode): LogtierError {
  return new LogtierError(code, 'a scripted fault');
}

function flipped(piece: Uint8Array, atByte: number): Uint8Array {
  const copy = Uint8Array.from(piece);
  copy[atByte] = (copy[atByte] ?? 0) ^ 1;
  return copy;
}

/** What is left of a piece that begins at `position` once the fault had its way. */
function maimed(piece: Uint8Array, position: number, fault: StoreFault): Uint8Array {
  if (fault.kind === 'flip') {
    const at = fault.atByte - position;
    return at >= 0 && at < piece.length ? flipped(piece, at) : piece;
  }
  const isCut = fault.kind === 'cut' || fault.kind === 'shorten';
  return isCut ? piece.subarray(0, Math.max(0, fault.afterBytes - position)) : piece;
}

/** The stream with its fault; positions count from the start of this pass. */
async function* faultyStream(
  pieces: AsyncIterable<Uint8Array>,
  fault: StoreFault,
): AsyncGenerator<Uint8Array> {
  let position = 0;
  for await (const piece of pieces) {
    const left = maimed(piece, position, fault);
    if (left.length > 0) yield left;
    if (left.length < piece.length && fault.kind === 'cut') throw scripted(fault.code);
    if (left.length < piece.length) return;
    position += piece.length;
  }
}

function faultySource(source: ByteSource, fault: StoreFault | undefined): ByteSource {
  if (fault === undefined) return source;
  return {
    sizeBytes: source.sizeBytes,
    crc32: (range) => source.crc32(range),
    read: (range, signal) => faultyStream(source.read(range, signal), fault),
  };
}

async function faultyCall<T>(
  fault: StoreFault | undefined,
  call: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  throwIfAborted(signal);
  if (fault?.kind === 'hang') return hang(signal);
  if (fault?.kind === 'fail') throw scripted(fault.code);
  const result = await call();
  if (fault?.kind === 'lose-answer') throw scripted(fault.code);
  return result;
}

async function* faultyItems<T>(
  fault: StoreFault | undefined,
  items: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  if (fault?.kind === 'hang') await hang(signal);
  if (fault?.kind === 'fail') throw scripted(fault.code);
  yield* items;
  if (fault?.kind === 'lose-answer') throw scripted(fault.code);
}

/** The first fault that matches a call is taken; calls without one pass unchanged. */
export function failingStore(faults: readonly ScriptedFault[], inner: ObjectStore): ObjectStore {
  const script = new Script(faults);
  const call = <T>(op: Operation, act: () => Promise<T>, signal: AbortSignal): Promise<T> =>
    faultyCall(script.next(op), act, signal);

  return {
    put: (key, body, observer, signal) => {
      const fault = script.next('put');
      const act = () => inner.put(key, faultySource(body, fault), observer, signal);
      return faultyCall(fault, act, signal);
    },
    get: (key, range, signal) => {
      const fault = script.next('get');
      const pieces = inner.get(key, range, signal);
      const faulty = fault === undefined ? pieces : faultyStream(pieces, fault);
      return faultyItems(fault, faulty, signal);
    },
    list: (prefix, after, signal) =>
      faultyItems(script.next('list'), inner.list(prefix, after, signal), signal),
    stat: (key, signal) => call('stat', () => inner.stat(key, signal), signal),
    delete: (keys, signal) => call('delete', () => inner.delete(keys, signal), signal),
    abandon: (key, ids, signal) => call('abandon', () => inner.abandon(key, ids, signal), signal),
    wallClockMs: (signal) => call('wallClockMs', () => inner.wallClockMs(signal), signal),
    probe: (signal) => call('probe', () => inner.probe(signal), signal),
  };
}
