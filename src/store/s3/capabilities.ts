// What this server really does, found out by doing it: a header that is taken may still be ignored.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
} from '@aws-sdk/client-s3';
import type { S3Client } from '@aws-sdk/client-s3';
import { crc32 } from '../../base/checksum.ts';
import { hasCode } from '../../base/errors.ts';
import { PROBE_PREFIX } from '../object-key.ts';
import type { Random } from '../../platform/random.ts';
import type { Answer } from '../transfer/http-exchange.ts';
import { answerError, s3CodeOf } from './errors.ts';
import { uploadsOf } from './list-uploads.ts';
import { printCrc32 } from './printed-crc.ts';
import type { DataRequest, S3Connection } from './s3-connection.ts';

export interface S3Capabilities {
  /** A body or part whose `x-amz-checksum-crc32` is wrong is refused. radosgw takes it. */
  readonly checksCrc32: boolean;
  /** `If-None-Match: *` on a put keeps what is there. */
  readonly conditionalPut: boolean;
  /** The same on CompleteMultipartUpload. radosgw replaces the object. */
  readonly conditionalComplete: boolean;
  /** ListMultipartUploads is allowed and shows an upload of exactly this key. */
  readonly listsUploads: boolean;
}

function told(isHonoured: boolean): string {
  return isHonoured ? 'honoured' : 'ignored, only unique keys protect';
}

export function describeCapabilities(found: S3Capabilities): string[] {
  const checksum = found.checksCrc32 ? 'honest' : 'ignored, objects are read back';
  const uploads = found.listsUploads
    ? 'shown'
    : 'refused or not shown: an upload that a crash left before its record stays, without bytes';
  return [
    `checksum crc32: ${checksum}`,
    `If-None-Match on put: ${told(found.conditionalPut)}`,
    `If-None-Match on complete: ${told(found.conditionalComplete)}`,
    `ListMultipartUploads: ${uploads}`,
  ];
}

const FIRST = Buffer.from('logtier probe, first content');
const OTHER = Buffer.from('logtier probe, other content');

/** Statuses by which servers refuse a wrong checksum: AWS, versitygw, MinIO 400. */
const WRONG_CHECKSUM_STATUS = 400;

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(bytes);
}

interface Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

interface Sent {
  readonly bytes: Buffer;
  readonly crc: number;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

interface FoundByParts extends Pick<S3Capabilities, 'conditionalComplete' | 'listsUploads'> {
  readonly refusesWrongPart: boolean;
}

class Probe {
  private readonly connection: S3Connection;
  private readonly key: string;
  private readonly signal: AbortSignal;

  constructor(connection: S3Connection, key: string, signal: AbortSignal) {
    this.connection = connection;
    this.key = key;
    this.signal = signal;
  }

  async run(): Promise<S3Capabilities> {
    try {
      const refusesWrongPut = await this.refusesWrong({});
      await this.requireStored({ bytes: FIRST, crc: crc32(FIRST) });
      const conditionalPut = await this.refusesReplacing();
      const parts = await this.probeParts();
      return {
        checksCrc32: refusesWrongPut && parts.refusesWrongPart,
        conditionalPut,
        conditionalComplete: parts.conditionalComplete,
        listsUploads: parts.listsUploads,
      };
    } finally {
      const answer = await this.connection.data({ method: 'DELETE', key: this.key }, this.signal);
      answer.drop();
    }
  }

  private async send({ bytes, crc, query, headers }: Sent): Promise<Answer> {
    const request: DataRequest = {
      method: 'PUT',
      key: this.key,
      headers: {
        'content-length': String(bytes.length),
        'x-amz-checksum-crc32': printCrc32(crc),
        ...headers,
      },
      body: once(bytes),
      ...(query === undefined ? {} : { query }),
    };
    return this.connection.data(request, this.signal);
  }

  private async refusesWrong(query: Readonly<Record<string, string>>): Promise<boolean> {
    const answer = await this.send({ bytes: FIRST, crc: crc32(OTHER), query });
    if (answer.status === WRONG_CHECKSUM_STATUS) {
      await answer.text();
      return true;
    }
    return !(await this.isTaken(answer));
  }

  /** True when the server took it; other refusals than the ones asked for end the probe. */
  private async isTaken(answer: Answer): Promise<boolean> {
    if (answer.status < 200 || answer.status > 299) {
      throw await answerError(answer, `probing ${this.key}`);
    }
    await answer.text();
    return true;
  }

  private async requireStored(sent: Sent): Promise<Answer> {
    const answer = await this.send(sent);
    await this.isTaken(answer);
    return answer;
  }

  private async refusesReplacing(): Promise<boolean> {
    const headers = { 'if-none-match': '*' };
    const answer = await this.send({ bytes: OTHER, crc: crc32(OTHER), headers });
    if (answer.status === 412) {
      await answer.text();
      return true;
    }
    if (answer.status === 501) {
      await answer.text();
      return false; // told so honestly; then the header is not sent
    }
    return !(await this.isTaken(answer));
  }

  /** A multipart upload of one part onto the object that exists by now. */
  private async probeParts(): Promise<FoundByParts> {
    const target = { Bucket: this.connection.bucket, Key: this.connection.fullKey(this.key) };
    const { UploadId = '' } = await this.control((client, options) =>
      client.send(new CreateMultipartUploadCommand(target), options),
    );
    const listsUploads = await this.lists(UploadId);
    const query = { partNumber: '1', uploadId: UploadId };
    const refusesWrongPart = await this.refusesWrong(query);
    const part = await this.requireStored({ bytes: OTHER, crc: crc32(OTHER), query });
    const upload = { ...target, UploadId };
    const conditionalComplete = await this.refusesComplete(upload, part.headers.etag);
    if (conditionalComplete) {
      await this.control((client, options) =>
        client.send(new AbortMultipartUploadCommand(upload), options),
      );
    }
    return { refusesWrongPart, conditionalComplete, listsUploads };
  }

  private async lists(uploadId: string): Promise<boolean> {
    try {
      return (await uploadsOf(this.connection, this.key, this.signal)).includes(uploadId);
    } catch (error) {
      if (hasCode(error, 'STORE_DENIED', 'STORE_REFUSED', 'OBJECT_NOT_FOUND')) return false;
      throw error;
    }
  }

  private async refusesComplete(upload: Upload, etag: string | undefined): Promise<boolean> {
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: etag }] };
    const command = new CompleteMultipartUploadCommand({
      ...upload,
      MultipartUpload,
      IfNoneMatch: '*',
    });
    try {
      await this.control((client, options) => client.send(command, options));
      return false;
    } catch (error) {
      if (hasCode(error, 'OBJECT_EXISTS')) return true;
      if (s3CodeOf(error) !== 'NotImplemented') throw error;
      await this.control((client, options) =>
        client.send(new AbortMultipartUploadCommand(upload), options),
      );
      return false;
    }
  }

  private control<T>(
    call: (client: S3Client, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    return this.connection.control(call, `probing uploads of ${this.key}`, this.signal);
  }
}

/** Writes and deletes one small object under a name of its own. Needs the right to put and delete. */
export async function probeCapabilities(
  connection: S3Connection,
  random: Random,
  signal: AbortSignal,
): Promise<S3Capabilities> {
  const name = Buffer.from(random.bytes(12)).toString('hex');
  return new Probe(connection, `${PROBE_PREFIX}${name}`, signal).run();
}
