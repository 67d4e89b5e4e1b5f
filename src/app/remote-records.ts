// The fetcher as the operator's record reader asks it.
import { unreachable } from '../base/assert.ts';
import type { Fetcher } from '../fetcher/fetcher.ts';
import type { FetchPart } from '../fetcher/fetch-records.ts';
import type { RemoteEvent, RemoteRecords, RemoteVerdict } from '../operator/read-records.ts';

export function remoteRecords(fetcher: Fetcher): RemoteRecords {
  return {
    fetch: async function* fetch({ topic, partition, offset, maxBytes, committedOnly }, signal) {
      const isolation = committedOnly ? 'read-committed' : 'read-uncommitted';
      for await (const part of fetcher.fetch(
        { topic, partition, offset, maxBytes, isolation },
        signal,
      )) {
        yield eventOf(part);
        if (part.kind === 'batches') part.message.release();
      }
    },
  };
}

function eventOf(part: FetchPart): RemoteEvent {
  switch (part.kind) {
    case 'batches': {
      const { buffer, start, end } = part.message;
      return { kind: 'batches', bytes: buffer.subarray(start, end) };
    }
    case 'end':
      return { kind: 'end', nextOffset: part.nextOffset, aborted: part.aborted };
    default:
      return { kind: 'verdict', verdict: verdictOf(part) };
  }
}

function verdictOf(part: Exclude<FetchPart, { readonly kind: 'batches' | 'end' }>): RemoteVerdict {
  switch (part.kind) {
    case 'served':
      return { kind: 'served' };
    case 'not-ready':
      return { kind: 'not-ready', reason: part.why };
    case 'ask-broker':
      return { kind: 'ask-broker', offset: part.offset };
    case 'out-of-range':
      return { kind: 'out-of-range', start: part.start, end: part.end };
    case 'gap':
      return { kind: 'gap', next: part.next };
    default:
      return unreachable(part);
  }
}
