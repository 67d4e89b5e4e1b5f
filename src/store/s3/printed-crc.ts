// CRC-32 as S3 writes it: base64 of the four bytes, big-endian.

export function printCrc32(crc: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
}

/** Undefined for what is no CRC-32 of one object (`abc=-3` is that of a list of parts). */
export function parseCrc32(text: string): number | undefined {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 4 && !text.includes('-') ? bytes.readUInt32BE(0) : undefined;
}
