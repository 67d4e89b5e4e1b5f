// Rows of the engine: one version byte, then the protobuf message.
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { LogtierError } from '../../base/errors.ts';

/** The generated codec of one message. */
export interface RowCodec<Row> {
  encode(row: Row, writer: BinaryWriter): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Row;
}

/** Raised when a row changes in a way that protobuf's own rules do not cover. */
const ROW_VERSION = 1;

/** One for all messages: a new one would grow its buffer step by step. `finish` copies and begins anew. */
const writer = new BinaryWriter();

export function encodeRow<Row>(codec: RowCodec<Row>, row: Row): Uint8Array {
  writer.uint32(ROW_VERSION);
  return encodeMessage(codec, row);
}

/** As `codec.encode(message).finish()`, for messages that are encoded all the time. */
export function encodeMessage<Message>(codec: RowCodec<Message>, message: Message): Uint8Array {
  try {
    return codec.encode(message, writer).finish();
  } catch (error) {
    writer.finish();
    throw error;
  }
}

/** Rows are our own: what does not decode is damage, and the member stops. */
export function decodeRow<Row>(codec: RowCodec<Row>, bytes: Uint8Array): Row {
  if (bytes[0] !== ROW_VERSION) {
    throw new LogtierError('CORRUPT_STATE', `a catalog row has version ${bytes[0] ?? 'none'}`, {
      hint: 'the state was written by a newer Logtier: run that one, or restore a backup',
    });
  }
  return codec.decode(bytes.subarray(1));
}

/** A row as it is stored, with what it was decoded to once it was. Neither is ever changed. */
export interface StoredRow {
  readonly value: Uint8Array;
  codec?: object;
  row?: unknown;
}

export function rowOf<Row>(codec: RowCodec<Row>, stored: StoredRow): Row {
  if (isDecodedBy(codec, stored)) return stored.row;
  const row = decodeRow(codec, stored.value);
  stored.codec = codec;
  stored.row = row;
  return row;
}

function isDecodedBy<Row>(
  codec: RowCodec<Row>,
  stored: StoredRow,
): stored is StoredRow & { readonly row: Row } {
  return stored.codec === codec;
}
