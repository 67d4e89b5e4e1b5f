// WebHDFS in this process, for single answers and for faults that a real node does not give on demand. It answers
// as NameNode and DataNode 3.5.0 were seen to answer, and obeys the contract suite of the object store.
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeTree, RemoteFailure } from './webhdfs-fake-tree.ts';

/** `name`: the NameNode's answer. `data`: the DataNode's, to the request with the bytes. */
export type FakeStep = 'name' | 'data';

export type FakeAct =
  | {
      readonly kind: 'refuse';
      readonly status: number;
      readonly exception: string;
      readonly message: string;
    }
  /** Does something first, then answers as usual. */
  | { readonly kind: 'first'; readonly act: () => void }
  /** Takes the request and never answers. */
  | { readonly kind: 'hang' }
  /** Closes the connection instead of answering; nothing is carried out. */
  | { readonly kind: 'reset' }
  /** Carries the request out, then closes the connection instead of answering. */
  | { readonly kind: 'forgetAnswer' }
  /** OPEN: closes the connection, or with `hangs` goes silent, after so many bytes. CREATE: keeps so many and says 201. */
  | { readonly kind: 'cut'; readonly bytes: number; readonly hangs?: boolean }
  /** OPEN: another bit in the byte at this place of the answer. */
  | { readonly kind: 'flip'; readonly at: number };

export interface FakeFault {
  readonly op: string;
  readonly step: FakeStep;
  readonly act: FakeAct;
  /** How often it strikes; then it is gone. Default 1. */
  times?: number;
}

export interface FakeRequest {
  readonly step: FakeStep;
  readonly op: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
}

export interface WebhdfsFake {
  readonly nameNodeUrl: string;
  readonly dataNodeHost: string;
  readonly tree: FakeTree;
  /** All requests in the order of their arrival. */
  readonly requests: FakeRequest[];
  /** Struck in order, each as often as it says. */
  readonly faults: FakeFault[];
  /** Open connections to the DataNode. */
  dataConnections(): Promise<number>;
  stop(): Promise<void>;
}

interface Asked extends FakeRequest {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  readonly act: FakeAct | undefined;
}

const TWO_STEPS = new Set(['CREATE', 'OPEN', 'APPEND']);

function listen(server: http.Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    });
  });
}

function sendJson(response: http.ServerResponse, status: number, body: unknown): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(text);
}

function sendFailure(response: http.ServerResponse, failure: RemoteFailure): void {
  const { status, exception, message } = failure;
  const javaClassName = `java.fake.${exception}`;
  sendJson(response, status, { RemoteException: { exception, javaClassName, message } });
}

async function bodyOf(request: http.IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** A DataNode closes a file whose writer went away, with what it got. */
async function bytesUntilTheEnd(request: http.IncomingMessage): Promise<Buffer | undefined> {
  return bodyOf(request).catch(() => undefined);
}

function nameStep(tree: FakeTree, asked: Asked): unknown {
  const { op, path, query } = asked;
  switch (op) {
    case 'GETFILESTATUS':
      return { FileStatus: tree.status(path) };
    case 'LISTSTATUS_BATCH':
      return tree.listBatch(path, query['startafter'] ?? '');
    case 'MKDIRS':
      tree.makeDirectories(path);
      return { boolean: true };
    case 'DELETE':
      return { boolean: tree.remove(path, query['recursive'] === 'true') };
    case 'RENAME':
      return tree.rename(path, query['destination'] ?? '', query['renameoptions'] === 'NONE');
    case 'GETFILEBLOCKLOCATIONS':
      return tree.blockLocations(path);
    case 'GETHOMEDIRECTORY':
      return { Path: '/user/fake' };
    default:
      throw new RemoteFailure(400, 'IllegalArgumentException', `Invalid value for op: ${op}`);
  }
}

export async function startWebhdfsFake(): Promise<WebhdfsFake> {
  const tree = new FakeTree();
  const requests: FakeRequest[] = [];
  const faults: FakeFault[] = [];
  let dataNodeHost = '';

  const faultFor = (op: string, step: FakeStep): FakeAct | undefined => {
    const fault = faults.find((one) => one.op === op && one.step === step && one.times !== 0);
    if (fault === undefined) return undefined;
    fault.times = (fault.times ?? 1) - 1;
    return fault.act;
  };

  const locate = (asked: Asked): void => {
    const { op, path, query, request, response } = asked;
    if (query['excludedatanodes'] !== undefined) {
      const message = 'Failed to find datanode, suggest to check cluster health.';
      throw new RemoteFailure(403, 'IOException', message);
    }
    if (op === 'OPEN') tree.requireReadable(path, Number(query['offset'] ?? 0));
    if (op === 'APPEND') tree.status(path);
    const location = `http://${dataNodeHost}${request.url}`;
    if (query['noredirect'] === 'true') sendJson(response, 200, { Location: location });
    else response.writeHead(307, { location }).end();
  };

  const create = async (asked: Asked): Promise<void> => {
    const { path, query, request, response, act } = asked;
    tree.create(path, query['replication'] ?? '3');
    const bytes = await bytesUntilTheEnd(request);
    if (bytes === undefined) return;
    const kept = act?.kind === 'cut' ? bytes.subarray(0, act.bytes) : bytes;
    tree.close(path, kept);
    if (act?.kind === 'forgetAnswer') request.socket.destroy();
    else response.writeHead(201, { location: `hdfs://fake${path}`, connection: 'close' }).end();
  };

  const append = async ({ path, request, response }: Asked): Promise<void> => {
    tree.close(path, Buffer.concat([tree.bytes(path), await bodyOf(request)]));
    response.writeHead(200, { connection: 'close' }).end();
  };

  const open = ({ path, query, response, act }: Asked): void => {
    const start = Number(query['offset'] ?? 0);
    const end = query['length'] === undefined ? undefined : start + Number(query['length']);
    const bytes = Buffer.from(tree.bytes(path).subarray(start, end));
    const headers = { 'content-length': bytes.length, connection: 'close' };
    response.writeHead(200, headers);
    if (act?.kind === 'flip') bytes[act.at]! ^= 1;
    if (act?.kind !== 'cut') {
      response.end(bytes);
      return;
    }
    response.write(bytes.subarray(0, act.bytes), () => {
      if (act.hangs !== true) response.socket?.destroy();
    });
  };

  const answerName = (asked: Asked): void => {
    if (TWO_STEPS.has(asked.op)) {
      locate(asked);
      return;
    }
    const body = nameStep(tree, asked);
    if (asked.act?.kind === 'forgetAnswer') asked.request.socket.destroy();
    else sendJson(asked.response, 200, body);
  };

  const answerData = async (asked: Asked): Promise<void> => {
    if (asked.op === 'CREATE') await create(asked);
    else if (asked.op === 'APPEND') await append(asked);
    else open(asked);
  };

  const answer = async (asked: Asked): Promise<void> => {
    const { act } = asked;
    if (act?.kind === 'hang') return;
    if (act?.kind === 'first') act.act();
    if (act?.kind === 'refuse') throw new RemoteFailure(act.status, act.exception, act.message);
    if (act?.kind === 'reset') asked.request.socket.destroy();
    else if (asked.step === 'name') answerName(asked);
    else await answerData(asked);
  };

  const serve =
    (step: FakeStep) => (request: http.IncomingMessage, response: http.ServerResponse) => {
      const url = new URL(request.url ?? '', 'http://fake');
      const query = Object.fromEntries(url.searchParams);
      const op = query['op'] ?? '';
      const path = decodeURIComponent(url.pathname).replace(/^\/webhdfs\/v1/, '');
      const asked = { step, op, path, query, request, response, act: faultFor(op, step) };
      requests.push({ step, op, path, query });
      answer(asked).catch((error: unknown) => {
        if (!(error instanceof RemoteFailure)) throw error;
        request.resume(); // a DataNode reads on while it refuses
        sendFailure(response, error);
      });
    };

  const nameNode = http.createServer(serve('name'));
  const dataNode = http.createServer(serve('data'));
  const nameNodeHost = await listen(nameNode);
  dataNodeHost = await listen(dataNode);
  return {
    nameNodeUrl: `http://${nameNodeHost}`,
    dataNodeHost,
    tree,
    requests,
    faults,
    dataConnections: () =>
      new Promise((resolve, reject) => {
        dataNode.getConnections((error, count) => {
          if (error === null) resolve(count);
          else reject(error);
        });
      }),
    stop: async () => {
      for (const server of [nameNode, dataNode]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}
