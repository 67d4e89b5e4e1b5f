// Kafka writes integers big-endian. A DataView over the same memory reads them without a copy.

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** int64 milliseconds as a number: exact up to 2^53, past the year 280000; rounded above. */
export function readMs(view: DataView, position: number): number {
  return view.getInt32(position) * 2 ** 32 + view.getUint32(position + 4);
}
