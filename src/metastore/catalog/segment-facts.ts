// What an intent says of a segment: checked once, and fixed from then on.
import { SegmentRecord, SegmentState } from '../../gen/logtier/v1/catalog_command.ts';
import { MAX_CUSTOM_METADATA_BYTES, MAX_KEY_BYTES } from './limits.ts';
import { isOffset } from './names.ts';

/** Why no copy can begin with these facts; undefined when it can. */
export function whyUnsound(segment: SegmentRecord): string | undefined {
  if (!isOffset(segment.startOffset) || !isOffset(segment.nextOffset))
    return 'an impossible offset';
  if (segment.nextOffset <= segment.startOffset) return 'a segment without offsets';
  if (segment.store === '' || Buffer.byteLength(segment.store) > 255) return 'no name of a store';
  if (Buffer.byteLength(segment.objectKey) > MAX_KEY_BYTES) return 'a key of more than 1,024 bytes';
  if (keyPrefixOf(segment) === undefined) return 'a key outside of the directory of its partition';
  if (segment.customMetadata.length > MAX_CUSTOM_METADATA_BYTES)
    return 'metadata of more than 4 KiB';
  return haveSoundEpochs(segment) ? undefined : 'epochs that do not cover the segment in order';
}

function haveSoundEpochs({ epochs, startOffset, nextOffset }: SegmentRecord): boolean {
  return (
    epochs[0]?.startOffset === startOffset &&
    epochs.every((entry, at) => {
      const before = epochs[at - 1];
      return (
        entry.startOffset < nextOffset &&
        (before === undefined ||
          (before.epoch < entry.epoch && before.startOffset < entry.startOffset))
      );
    })
  );
}

/**
 * The directory of the object. It must be this partition's own, `…-<topic id>/<partition>/`: when the topic
 * is deleted, all that it holds is erased.
 */
export function keyPrefixOf(segment: SegmentRecord): string | undefined {
  const prefix = segment.objectKey.slice(0, segment.objectKey.lastIndexOf('/') + 1);
  const isOwn = prefix.endsWith(`-${segment.topicId}/${segment.partition}/`);
  return isOwn && prefix.length < segment.objectKey.length ? prefix : undefined;
}

/** Equal in all that an intent fixes; state, token, uploads and times may have moved on. */
export function haveSameFacts(left: SegmentRecord, right: SegmentRecord): boolean {
  return Buffer.compare(factsOf(left), factsOf(right)) === 0;
}

function factsOf(segment: SegmentRecord): Uint8Array {
  return SegmentRecord.encode({
    ...segment,
    state: SegmentState.UNSPECIFIED,
    fenceToken: undefined,
    uploadIds: [],
    eventTimestampMs: 0n,
    adopted: false,
  }).finish();
}
