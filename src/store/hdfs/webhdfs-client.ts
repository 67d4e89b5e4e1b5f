// The part of WebHDFS that an object store needs. Two steps for bytes: the NameNode names a DataNode, the
// DataNode takes or gives them and closes the connection (no keep-alive there).
// Reference: Apache Hadoop "WebHDFS REST API", corrected by what NameNode and DataNode 3.5.0 answered.
import * as http from 'node:http';
import * as https from 'node:https';
import type { ByteRange } from '../../base/byte-range.ts';
import { rangeBytes } from '../../base/byte-range.ts';
import { LogtierError } from '../../base/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { ByteSource } from '../object-store.ts';
import { exchange } from '../transfer/http-exchange.ts';
import type { Answer, Outgoing } from '../transfer/http-exchange.ts';
import { SocketGets } from '../transfer/socket-get.ts';
import type { RangeAnswer } from '../transfer/socket-get.ts';
import type { AvoidedNodes } from './avoided-nodes.ts';
import { avoidedNodes } from './avoided-nodes.ts';
import type { Call, NameNodes, NameNodesSettings } from './name-nodes.ts';
import { connectNameNodes, textOf } from './name-nodes.ts';
import { batchOf, booleanOf, fewestReplicas, locationOf, statusOf } from './webhdfs-answers.ts';
import type { FileStatus, StatusBatch } from './webhdfs-answers.ts';
import { isUnanswered, refusalError, remoteRefusal } from './webhdfs-errors.ts';

export interface WebhdfsDeps {
  readonly clock: Clock;
  /** Where to reach the DataNode that the NameNode named; the identity unless a gateway stands between. */
  readonly reachDataNode: (named: URL) => URL;
}

export interface WebhdfsSettings extends NameNodesSettings {
  readonly replication: number;
  readonly filePermission: string;
  readonly directoryPermission: string;
  readonly blockBytes?: number | undefined;
}

const OK = 200;
const CREATED = 201;
/** `Tue, 24 Nov 2026 03:53:34 GMT` (RFC 9110, IMF-fixdate). */
const HTTP_DATE_CHARACTERS = 29;

/** HDFS as paths, with errors of ours; knows nothing of keys. */
export class WebhdfsClient {
  private readonly deps: WebhdfsDeps;
  private readonly settings: WebhdfsSettings;
  private readonly nameNodes: NameNodes;
  private readonly avoided: AvoidedNodes;
  private readonly gets: SocketGets;
  /** The DataNode closes after each answer: nothing to keep. */
  private readonly httpAgent = new http.Agent({ keepAlive: false });
  private readonly httpsAgent = new https.Agent({ keepAlive: false });

  constructor(deps: WebhdfsDeps, settings: WebhdfsSettings) {
    this.deps = deps;
    this.settings = settings;
    this.nameNodes = connectNameNodes(deps, settings);
    this.avoided = avoidedNodes(deps.clock);
    this.gets = new SocketGets(deps.clock, settings);
  }

  /**
   * Writes a new file; never onto an existing one. A client that dies leaves a closed file of the
   * length sent, so only a resolved promise and the file's length together say that it is whole.
   */
  async create(path: string, body: ByteSource, signal: AbortSignal): Promise<void> {
    const { replication, filePermission, blockBytes } = this.settings;
    const query = {
      op: 'CREATE',
      overwrite: 'false',
      replication: String(replication),
      permission: filePermission,
      ...(blockBytes === undefined ? {} : { blocksize: String(blockBytes) }),
    };
    const url = await this.dataNodeFor('PUT', path, query, signal);
    await this.write(
      { method: 'PUT', url, expected: CREATED, doing: `CREATE ${path}` },
      body,
      signal,
    );
  }

  /** Adds to a closed file; only the probe asks whether it may. */
  async append(path: string, body: ByteSource, signal: AbortSignal): Promise<void> {
    const url = await this.dataNodeFor('POST', path, { op: 'APPEND' }, signal);
    await this.write({ method: 'POST', url, expected: OK, doing: `APPEND ${path}` }, body, signal);
  }

  /** Streams `range`, exactly or not to the end: a file that is shorter is STORE_REFUSED before the first byte. */
  async *open(path: string, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const wanted = rangeBytes(range);
    const query = { op: 'OPEN', offset: String(range.start), length: String(wanted) };
    const url = await this.dataNodeFor('GET', path, query, signal);
    const answer = await this.openOn(url, path, signal);
    requireLength(answer, path, wanted);
    let given = 0;
    for await (const bytes of answer.body()) {
      given += bytes.length;
      if (given > wanted) throw cutOff(path, given, wanted);
      yield bytes;
    }
    if (given < wanted) throw cutOff(path, given, wanted);
  }

  async status(path: string, signal: AbortSignal): Promise<FileStatus> {
    const answer = await this.ask('GET', path, { op: 'GETFILESTATUS' }, signal);
    return statusOf(answer.text);
  }

  /** Up to 1,000 entries whose names come after `startAfter`; FileNotFound is OBJECT_NOT_FOUND. */
  async listBatch(path: string, startAfter: string, signal: AbortSignal): Promise<StatusBatch> {
    // The documented `startAfter` is silently ignored: the lower-case spelling is the parameter.
    const query = {
      op: 'LISTSTATUS_BATCH',
      ...(startAfter === '' ? {} : { startafter: startAfter }),
    };
    const answer = await this.ask('GET', path, query, signal);
    return batchOf(answer.text);
  }

  /**
   * Moves a file to a name that must be free; OBJECT_EXISTS when it is not, OBJECT_NOT_FOUND when the
   * source or the parent of the target is missing. Atomic. Not repeated by itself when unanswered.
   */
  async rename(from: string, to: string, signal: AbortSignal): Promise<void> {
    const query = { op: 'RENAME', destination: to, renameoptions: 'NONE' };
    const call: Call = { method: 'PUT', path: from, query, repeatable: false };
    const answer = await this.nameNodes.ask(call, signal);
    // A gateway that ignores renameoptions answers with a boolean; false hides every reason.
    if (booleanOf(answer.text) === false) {
      throw new LogtierError('OBJECT_EXISTS', `RENAME ${from} to ${to}: refused without a reason`);
    }
  }

  async makeDirectories(path: string, signal: AbortSignal): Promise<void> {
    const { directoryPermission } = this.settings;
    await this.ask('PUT', path, { op: 'MKDIRS', permission: directoryPermission }, signal);
  }

  /** A file or an empty directory; false when nothing was there. */
  async remove(path: string, signal: AbortSignal): Promise<boolean> {
    const answer = await this.ask('DELETE', path, { op: 'DELETE', recursive: 'false' }, signal);
    return booleanOf(answer.text) === true;
  }

  /** Live replicas of the block that has fewest; undefined for a file without blocks. */
  async fewestReplicas(path: string, signal: AbortSignal): Promise<number | undefined> {
    const answer = await this.ask('GET', path, { op: 'GETFILEBLOCKLOCATIONS' }, signal);
    return fewestReplicas(answer.text);
  }

  /** The NameNode's clock, to the second. */
  async wallClockMs(signal: AbortSignal): Promise<number> {
    const { date } = await this.ask('GET', '/', { op: 'GETHOMEDIRECTORY' }, signal);
    const wallMs = Date.parse(date?.slice(0, HTTP_DATE_CHARACTERS) ?? '');
    if (Number.isNaN(wallMs)) throw new LogtierError('STORE_REFUSED', 'the NameNode sends no Date');
    return wallMs;
  }

  private ask(
    method: Outgoing['method'],
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): ReturnType<NameNodes['ask']> {
    return this.nameNodes.ask({ method, path, query, repeatable: true }, signal);
  }

  /** Step one. Without DataNodes left, those that failed lately are welcome again. */
  private async dataNodeFor(
    method: Outgoing['method'],
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<URL> {
    const excluded = this.avoided.print();
    const choice = excluded === '' ? {} : { excludedatanodes: excluded };
    try {
      const answer = await this.ask(
        method,
        path,
        { ...query, ...choice, noredirect: 'true' },
        signal,
      );
      return this.deps.reachDataNode(locationOf(answer.location, answer.text));
    } catch (error) {
      if (excluded === '' || !isWithoutDataNode(error)) throw error;
      this.avoided.clear();
      return await this.dataNodeFor(method, path, query, signal);
    }
  }

  /** Step two, on a connection of its own. Remembers the DataNode when it does not answer. */
  private async askDataNode(outgoing: Outgoing, signal: AbortSignal): Promise<Answer> {
    const agent = outgoing.url.protocol === 'https:' ? this.httpsAgent : this.httpAgent;
    try {
      const deps = { clock: this.deps.clock, agent };
      return await exchange(deps, this.settings, outgoing, signal);
    } catch (error) {
      if (isUnanswered(error)) this.avoided.add(outgoing.url.hostname, error);
      throw error;
    }
  }

  /** Read straight from the socket where that is plain: through a stream the bytes cost four times the CPU. */
  private async openOn(url: URL, path: string, signal: AbortSignal): Promise<OpenedFile> {
    const fast = await this.getFast(url, signal);
    if (fast !== undefined) return fast;
    const answer = await this.askDataNode({ method: 'GET', url, headers: {} }, signal);
    if (answer.status !== OK) await refuse(answer, `OPEN ${path}`);
    const length = answer.headers['content-length'];
    const contentBytes = length === undefined ? undefined : Number(length);
    return { contentBytes, body: answer.body, drop: answer.drop };
  }

  private async getFast(url: URL, signal: AbortSignal): Promise<RangeAnswer | undefined> {
    if (url.protocol !== 'http:') return undefined;
    try {
      const headers = { host: url.host, connection: 'close' };
      return await this.gets.get({ url, headers, expected: OK }, signal);
    } catch (error) {
      if (isUnanswered(error)) this.avoided.add(url.hostname, error);
      throw error;
    }
  }

  private async write(
    to: {
      readonly method: 'PUT' | 'POST';
      readonly url: URL;
      readonly expected: number;
      readonly doing: string;
    },
    body: ByteSource,
    signal: AbortSignal,
  ): Promise<void> {
    const { method, url } = to;
    const headers = {
      'content-length': String(body.sizeBytes),
      'content-type': 'application/octet-stream', // HttpFS refuses a body without it
    };
    const outgoing = { method, url, headers, body: wholeBody(body, signal) };
    const answer = await this.askDataNode(outgoing, signal);
    if (answer.status !== to.expected) await refuse(answer, to.doing);
    answer.drop();
  }
}

/** A DataNode drops what exceeds the announced length, and waits for what is missing: neither is sent. */
async function* wholeBody(body: ByteSource, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  let given = 0;
  for await (const bytes of body.read({ start: 0, end: body.sizeBytes }, signal)) {
    given += bytes.length;
    if (given > body.sizeBytes) break;
    yield bytes;
  }
  if (given !== body.sizeBytes) {
    throw new LogtierError('SOURCE_CHANGED', `the source gave ${given} of ${body.sizeBytes} bytes`);
  }
}

async function refuse(answer: Answer, doing: string): Promise<never> {
  throw refusalError(remoteRefusal(answer.status, await textOf(answer)), doing);
}

function isWithoutDataNode(error: unknown): boolean {
  return (
    error instanceof LogtierError &&
    /Failed to find datanode|No active and not excluded nodes/.test(error.message)
  );
}

interface OpenedFile {
  /** Undefined when the DataNode did not say. */
  readonly contentBytes: number | undefined;
  readonly body: () => AsyncIterable<Uint8Array>;
  readonly drop: () => void;
}

function requireLength(file: OpenedFile, path: string, wanted: number): void {
  const { contentBytes } = file;
  if (contentBytes === undefined || contentBytes === wanted) return;
  file.drop();
  throw new LogtierError('STORE_REFUSED', `OPEN ${path}: has ${contentBytes} of ${wanted} bytes`);
}

function cutOff(path: string, given: number, wanted: number): LogtierError {
  return new LogtierError('STORE_UNAVAILABLE', `OPEN ${path}: ${given} of ${wanted} bytes came`);
}
