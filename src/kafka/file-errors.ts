// How a parser of one of Kafka's small files says what is wrong: which file, where, and what to do.
import { LogtierError } from '../base/errors.ts';

export type KafkaFileKind =
  | 'offset index'
  | 'time index'
  | 'transaction index'
  | 'producer snapshot'
  | 'leader epoch checkpoint'
  | 'offset checkpoint'
  | 'partition.metadata'
  | 'meta.properties';

/** `position` is a byte in a binary file and a line, from 1, in a text file. */
export type FileFault = (what: string, position: number) => LogtierError;

/** The file breaks its own format. */
export function corrupt(file: KafkaFileKind): FileFault {
  return (what, position) =>
    new LogtierError('CORRUPT_FILE', `${file} at ${position}: ${what}`, {
      details: { file, position },
    });
}

/** The file is torn or still being written: read it again. */
export function truncated(file: KafkaFileKind): FileFault {
  return (what, position) =>
    new LogtierError('TRUNCATED_FILE', `${file} at ${position}: ${what}`, {
      details: { file, position },
    });
}

export function unsupported(file: KafkaFileKind): FileFault {
  return (what, position) =>
    new LogtierError('UNSUPPORTED_FORMAT', `${file} at ${position}: ${what}`, {
      details: { file, position },
    });
}
