// How values look to people, and in JSON to programs.
import { printBytes, printDuration } from '../base/units.ts';

export function bytesCell(bytes: bigint, exact: boolean): string {
  return exact ? String(bytes) : printBytes(Number(bytes));
}

/** An offset, or `-` when nobody knows it. */
export function offsetCell(offset: bigint | undefined): string {
  return offset === undefined ? '-' : String(offset);
}

export function durationCell(ms: bigint | number | undefined): string {
  return ms === undefined ? '-' : printDuration(Number(ms));
}

/** `3m 20s ago`, by the clock of this host. */
export function agoCell(atMs: bigint | undefined, nowMs: number): string {
  if (atMs === undefined || atMs === 0n) return '-';
  return `${printDuration(Math.max(0, nowMs - Number(atMs)))} ago`;
}

/** JSON with 64-bit numbers as text, bytes as base64 and times in milliseconds (names end in Ms). */
export function printJson(value: unknown): string {
  return `${JSON.stringify(value, jsonValue, 2)}\n`;
}

export function printJsonLine(value: unknown): string {
  return `${JSON.stringify(value, jsonValue)}\n`;
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (isBufferJson(value)) return Buffer.from(value.data).toString('base64');
  return value;
}

/** JSON.stringify calls Buffer.toJSON before the replacer sees it. */
function isBufferJson(
  value: unknown,
): value is { readonly type: 'Buffer'; readonly data: number[] } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    value.type === 'Buffer' &&
    'data' in value &&
    Array.isArray(value.data)
  );
}

/** The document every `-o json` prints. */
export function jsonDocument(kind: string, items: readonly unknown[], more: object = {}): object {
  return { apiVersion: 'logtier/v1', kind, ...more, items };
}
