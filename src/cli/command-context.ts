// What a command gets: where to print, whom to ask, how to print. No command touches the process itself.
import type { OperatorCalls } from './operator-calls.ts';

export interface CliIo {
  /** Data only. */
  out(text: string): void;
  /** Talk: progress, errors, hints. */
  err(text: string): void;
  readonly isTerminal: boolean;
  wallMs(): number;
  /** Resolves early when `signal` fires. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Writes a file of a fetched segment; refuses to replace one. */
  createFile(path: string): Promise<FileSink>;
}

export interface FileSink {
  write(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export type OutputFormat = 'table' | 'json';

export interface CommandContext {
  readonly io: CliIo;
  readonly format: OutputFormat;
  /** Bytes as whole numbers instead of GiB. */
  readonly exactBytes: boolean;
  readonly calls: OperatorCalls;
  readonly signal: AbortSignal;
}
