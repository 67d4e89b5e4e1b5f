// One result of a benchmark, as it is printed: one JSON line.

export interface BenchLine {
  readonly bench: string;
  /** What was measured, such as `s3 rate`. */
  readonly case: string;
  readonly value: number;
  readonly unit: string;
  /** The same measure of the plainest way to do the same work, in the same run; null where there is none. */
  readonly reference: number | null;
  /** value / reference. For times and CPU less is better, for rates more. */
  readonly ratio: number | null;
}

/** What a file of bench/ exports as `run`. It talks on standard error only. */
export type RunBench = () => AsyncIterable<BenchLine>;

export function benchLine(
  name: string,
  measured: { readonly case: string; readonly value: number; readonly unit: string },
  reference: number | undefined,
): BenchLine {
  const ratio = reference === undefined ? null : round(measured.value / reference);
  return {
    bench: name,
    ...measured,
    value: round(measured.value),
    reference: reference === undefined ? null : round(reference),
    ratio,
  };
}

/** Three digits that count: more would pretend. */
function round(value: number): number {
  return Number(value.toPrecision(3));
}

export function isBenchLine(value: unknown): value is BenchLine {
  if (typeof value !== 'object' || value === null) return false;
  const names = ['bench', 'case', 'value', 'unit', 'reference', 'ratio'];
  return names.every((name) => Object.hasOwn(value, name));
}
