// The plainest ways to bring a file somewhere: one reused buffer, nothing checked, nothing recorded.
import * as fs from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { signRequest, type S3Credentials } from '../../src/store/s3/sign-request.ts';

const BUFFER_BYTES = 2 ** 20;
/** As our own multipart puts: so many connections, so many bytes a request. */
const CONNECTIONS = 4;
const PART_BYTES = 16 * 2 ** 20;

/** Read, write, one fsync. */
export async function copyFilePlainly(from: string, to: string): Promise<void> {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  const source = await fs.open(from, 'r');
  const target = await fs.open(to, 'wx');
  try {
    for (let position = 0; ;) {
      const { bytesRead } = await source.read(buffer, 0, BUFFER_BYTES, position);
      if (bytesRead === 0) break;
      await target.write(buffer, 0, bytesRead, position);
      position += bytesRead;
    }
    await target.sync();
  } finally {
    await source.close();
    await target.close();
  }
}

export interface BareS3 {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly credentials: S3Credentials;
}

/** One upload of 16 MiB parts over 4 connections, a buffer each, unsigned payload: what one object of this size takes. */
export async function putS3Barely(s3: BareS3, from: string, key: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const file = await fs.open(from, 'r');
  try {
    const { size } = await file.stat();
    const id = await createUpload(s3, key);
    const etags: string[] = [];
    let nextPart = 0;
    const lane = async (): Promise<void> => {
      const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
      for (let part = nextPart++; part * PART_BYTES < size; part = nextPart++) {
        const start = part * PART_BYTES;
        const end = Math.min(start + PART_BYTES, size);
        const url = new URL(`${urlOf(s3, key)}?partNumber=${part + 1}&uploadId=${id}`);
        const headers = signed(s3, 'PUT', url, end - start);
        const answer = await sendRange({ file, buffer, start, end }, { url, headers, agent });
        etags[part] = answer.headers.etag ?? '';
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, lane));
    await completeUpload(s3, key, id, etags);
  } finally {
    await file.close();
    agent.destroy();
  }
}

function urlOf({ endpoint, bucket }: BareS3, key: string): string {
  return `${endpoint}/${bucket}/${key}`;
}

function signed(
  { region, credentials }: BareS3,
  method: 'PUT' | 'POST',
  url: URL,
  bodyBytes: number,
): Record<string, string> {
  const headers = { 'content-length': String(bodyBytes) };
  return signRequest({ method, url, headers }, { region, credentials, nowMs: Date.now() });
}

async function createUpload(s3: BareS3, key: string): Promise<string> {
  const text = await post(s3, new URL(`${urlOf(s3, key)}?uploads=`), '');
  const id = /<UploadId>([^<]+)</.exec(text)?.[1];
  if (id === undefined) throw new Error(`no upload id: ${text}`);
  return id;
}

async function completeUpload(
  s3: BareS3,
  key: string,
  id: string,
  etags: readonly string[],
): Promise<void> {
  const parts = etags.map(
    (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
  );
  const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
  const text = await post(s3, new URL(`${urlOf(s3, key)}?uploadId=${id}`), body);
  if (!text.includes('CompleteMultipartUploadResult')) throw new Error(`not complete: ${text}`);
}

async function post(s3: BareS3, url: URL, body: string): Promise<string> {
  const { 'content-length': _, ...headers } = signed(s3, 'POST', url, Buffer.byteLength(body));
  const answer = await fetch(url, { method: 'POST', headers, body });
  return await answer.text();
}

/** One WebHDFS CREATE: a word with the NameNode, then the whole file to the DataNode it names. */
export async function createHdfsBarely(
  hdfs: { readonly nameNodeUrl: string; readonly user: string },
  from: string,
  path: string,
): Promise<void> {
  const query = `op=CREATE&user.name=${hdfs.user}&replication=1&overwrite=false&noredirect=true`;
  const answer = await fetch(`${hdfs.nameNodeUrl}/webhdfs/v1${path}?${query}`, { method: 'PUT' });
  const { Location } = (await answer.json()) as { Location: string };
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const file = await fs.open(from, 'r');
  try {
    const { size } = await file.stat();
    const headers = { 'content-length': String(size), 'content-type': 'application/octet-stream' };
    const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
    const url = new URL(Location);
    await sendRange({ file, buffer, start: 0, end: size }, { url, headers, agent });
  } finally {
    await file.close();
    agent.destroy();
  }
}

interface FileRange {
  readonly file: fs.FileHandle;
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

interface Target {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly agent: Agent;
}

async function sendRange(range: FileRange, target: Target): Promise<IncomingMessage> {
  const { url, headers, agent } = target;
  const request = httpRequest(url, { method: 'PUT', headers, agent });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
  for (let position = range.start; position < range.end;) {
    const wanted = Math.min(BUFFER_BYTES, range.end - position);
    const { bytesRead } = await range.file.read(range.buffer, 0, wanted, position);
    await new Promise<void>((resolve, reject) => {
      request.write(range.buffer.subarray(0, bytesRead), (error) => {
        if (error === undefined || error === null) resolve();
        else reject(error);
      });
    });
    position += bytesRead;
  }
  request.end();
  const response = await answered;
  response.resume();
  const status = response.statusCode ?? 0;
  if (status < 200 || status > 299) throw new Error(`${url.host} answered ${status}`);
  return response;
}
