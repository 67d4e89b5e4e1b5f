import type { CommandContext } from './command-context.ts';

const DEFAULT_SECONDS = 2;

/** Runs `print` once, or with `-w` again and again until Ctrl-C; a terminal is cleared first. */
export async function watchEvery(
  context: Pick<CommandContext, 'io' | 'format' | 'signal'>,
  watch: number | true | undefined,
  print: () => Promise<void>,
): Promise<void> {
  if (watch === undefined) {
    await print();
    return;
  }
  const seconds = watch === true ? DEFAULT_SECONDS : watch;
  while (!context.signal.aborted) {
    if (context.io.isTerminal && context.format === 'table') context.io.out('\u001B[H\u001B[2J');
    await print();
    await context.io.pause(seconds * 1000, context.signal);
  }
}
