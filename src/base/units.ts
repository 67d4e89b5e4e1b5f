// Units as people write them: `16MiB`, `200ms`, `7d`. In memory: bytes and milliseconds, as numbers.
import { z } from 'zod';

const BYTE_UNITS = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;
const TIME_UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const BYTES = /^(\d+)(B|KiB|MiB|GiB|TiB)$/;
const TIME = /^(\d+)(ms|s|m|h|d)$/;

function isByteUnit(unit: string): unit is keyof typeof BYTE_UNITS {
  return Object.hasOwn(BYTE_UNITS, unit);
}

function isTimeUnit(unit: string): unit is keyof typeof TIME_UNITS_MS {
  return Object.hasOwn(TIME_UNITS_MS, unit);
}

/** `16MiB` → 16777216; undefined when it is not a number with a unit. */
export function parseBytes(text: string): number | undefined {
  const [, amount, unit] = BYTES.exec(text) ?? [];
  return amount === undefined || unit === undefined || !isByteUnit(unit)
    ? undefined
    : Number(amount) * BYTE_UNITS[unit];
}

/** `200ms` → 200; undefined when it is not a number with a unit. */
export function parseDurationMs(text: string): number | undefined {
  const [, amount, unit] = TIME.exec(text) ?? [];
  return amount === undefined || unit === undefined || !isTimeUnit(unit)
    ? undefined
    : Number(amount) * TIME_UNITS_MS[unit];
}

function withUnit(
  parse: (text: string) => number | undefined,
  example: string,
  pattern: RegExp,
): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  return z
    .string()
    .regex(pattern, `must be a whole number with a unit, such as ${example}`)
    .transform((text) => parse(text) ?? Number.NaN);
}

type UnitSetting = z.ZodPrefault<z.ZodPipe<z.ZodString, z.ZodTransform<number, string>>>;

/** A setting in bytes with its default, written as `16MiB`. */
export function byteSize(fallback: string): UnitSetting {
  return withUnit(parseBytes, '16MiB', BYTES).prefault(fallback);
}

/** A setting in milliseconds with its default, written as `200ms`. */
export function duration(fallback: string): UnitSetting {
  return withUnit(parseDurationMs, '30s', TIME).prefault(fallback);
}

/** A setting in bytes without a default. */
export function someBytes(): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  return withUnit(parseBytes, '16MiB', BYTES);
}

/** A setting in milliseconds without a default. */
export function someDuration(): z.ZodPipe<z.ZodString, z.ZodTransform<number, string>> {
  return withUnit(parseDurationMs, '7d', TIME);
}

/** `1.5 GiB`; for people, never for machines. */
export function printBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? ''}`;
}

/** `3m 20s`; for people, never for machines. */
export function printDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  const seconds = Math.floor(ms / 1_000);
  const parts: readonly [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const told = parts.filter(([amount]) => amount > 0).slice(0, 2);
  return told.map(([amount, unit]) => `${amount}${unit}`).join(' ');
}
