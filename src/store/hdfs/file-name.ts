// Keys as HDFS paths and back. HDFS refuses ':' and lists names by *signed* bytes (non-ASCII before ASCII), so
// names are written in a few ASCII characters such that their order stays the order of the key's UTF-8 bytes:
// a byte out of the plain set becomes a marker and two hex digits, the marker lying in the same gap of the set.
//
//   plain:  -.  0-9      A-Z      _`a-z
//   gaps: ,    /    =  @     ^       ~ and above ('/' separates names and is never written otherwise)

interface Gap {
  readonly last: number;
  readonly marker: string;
}

/** Gaps by their last byte, ascending. */
const GAPS: readonly Gap[] = [
  { last: 0x2c, marker: ',' },
  { last: 0x40, marker: '=' },
  { last: 0x5e, marker: '^' },
  { last: 0xff, marker: '~' },
];

const PLAIN = /[-./0-9A-Z_`a-z]/;
const ESCAPED = /[,=^~]([0-9a-f]{2})/g;

function escapeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (PLAIN.test(character)) return character;
  const gap = GAPS.find(({ last }) => byte <= last);
  return `${gap?.marker ?? ''}${byte.toString(16).padStart(2, '0')}`;
}

const NEEDS_ESCAPE = /[^-./0-9A-Z_`a-z]/;

/** A key, or the beginning of one, as a path below the root. Keeps the order of UTF-8 bytes, and prefixes. */
export function pathOfKey(key: string): string {
  if (!NEEDS_ESCAPE.test(key)) return key;
  return Array.from(Buffer.from(key), escapeByte).join('');
}

/** Undefined for a path that no key has: somebody else's file. */
export function keyOfPath(path: string): string | undefined {
  const bytes = path.replace(ESCAPED, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const key = Buffer.from(bytes, 'latin1').toString();
  return pathOfKey(key) === path ? key : undefined;
}
