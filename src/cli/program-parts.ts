// What the builders of commands share.
import { type Command, InvalidArgumentError } from 'commander';
import type { OutputFormat } from './command-context.ts';

export interface GlobalOptions {
  readonly endpoint?: string;
  readonly config?: string;
  readonly output: OutputFormat;
  readonly bytes?: boolean;
}

export interface CommandEnd {
  code: number;
  /** A role that ends by a signal has done what it was asked. */
  isRole?: boolean;
}

export function child(parent: Command, usage: string, description: string): Command {
  const command = parent.command(usage).description(description);
  return command.exitOverride();
}

export function parseSeconds(text: string): number {
  const seconds = Number(text.replace(/s$/, ''));
  if (!Number.isFinite(seconds) || seconds <= 0)
    throw new InvalidArgumentError('must be a number of seconds.');
  return seconds;
}
