import type { Writable } from 'node:stream';
import { LogtierError } from '../base/errors.ts';
import { abortError, type Clock, throwIfAborted } from '../platform/clock.ts';
import { FramedMessage } from './framed-message.ts';

/** Messages handed to the connection and not yet taken: enough to keep it busy, few enough to be lean. */
const MESSAGES_IN_FLIGHT = 4;

export interface StreamPump {
  readonly messages: AsyncIterable<unknown>;
  readonly call: Writable;
}

/**
 * Sends message after message at the reader's pace. Rejects with OVERLOADED when the reader takes nothing
 * for `stalledMs`: it comes again from the last message it has.
 */
export async function pumpStream(
  clock: Clock,
  { stalledMs }: { readonly stalledMs: number },
  { messages, call }: StreamPump,
  signal: AbortSignal,
): Promise<void> {
  const writes: Write[] = [];
  // Taken already, most of the time: a deadline for each would cost more than the message.
  const settle = async (write: Write | undefined): Promise<void> => {
    if (write?.isTaken === false) await within(clock, stalledMs, write.taken, signal);
  };
  for await (const message of messages) {
    throwIfAborted(signal);
    writes.push(written(call, message));
    if (writes.length >= MESSAGES_IN_FLIGHT) await settle(writes.shift());
  }
  for (const write of writes) await settle(write);
}

interface Write {
  readonly isTaken: boolean;
  readonly taken: Promise<void>;
}

/** Its failure is told by the call's signal or status; here it only ends the wait. */
function written(call: Writable, message: unknown): Write {
  let isTaken = false;
  const taken = new Promise<void>((resolve) => {
    call.write(message, (error: Error | null | undefined) => {
      const isSent = error === null || error === undefined;
      if (isSent && message instanceof FramedMessage) message.sent();
      isTaken = true;
      resolve();
    });
  });
  return {
    get isTaken() {
      return isTaken;
    },
    taken,
  };
}

async function within(
  clock: Clock,
  stalledMs: number,
  write: Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const deadline = clock.deadline(stalledMs, signal);
  const late = new Promise<never>((_, reject) => {
    const onAbort = (): void => {
      reject(signal.aborted ? abortError(signal) : stalled(stalledMs));
    };
    if (deadline.signal.aborted) onAbort();
    else deadline.signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([write, late]);
  } finally {
    deadline.clear();
  }
}

function stalled(stalledMs: number): LogtierError {
  return new LogtierError('OVERLOADED', `the reader took nothing for ${stalledMs} ms`);
}
