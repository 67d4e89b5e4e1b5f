// The only door to the process's own log: JSON lines on standard error.
import { pino } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Fields in camelCase with units; bigint prints as a string. */
export type LogFields = Readonly<Record<string, unknown>>;

/** `info`: one finished thing · `warn`: an operator might act · `error`: an operator must. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

function printable(fields: LogFields): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'bigint' ? String(value) : value,
    ]),
  );
}

export function createLogger(level: LogLevel, role: string): Logger {
  const destination = pino.destination({ fd: 2, sync: true });
  const base = { role };
  const root = pino({ level, base, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return {
    debug: (fields, message) => {
      root.debug(printable(fields), message);
    },
    info: (fields, message) => {
      root.info(printable(fields), message);
    },
    warn: (fields, message) => {
      root.warn(printable(fields), message);
    },
    error: (fields, message) => {
      root.error(printable(fields), message);
    },
  };
}

const drop = (): void => undefined;

/** For tests and for commands that print their own output. */
export const silentLogger: Logger = { debug: drop, info: drop, warn: drop, error: drop };
