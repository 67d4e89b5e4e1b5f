/** Stops the process: the failed condition is a bug of ours, never bad input (docs/errors.md). */
export class AssertionFailure extends Error {
  override readonly name = 'AssertionFailure';
}

/** For facts that only a bug can break. Bad input gets a `LogtierError`. */
export function assert(condition: boolean, fact: string): asserts condition {
  if (!condition) throw new AssertionFailure(fact);
}

/** Closes a `switch` over a union: does not compile while a member is missing. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable value ${String(value)}`);
}
