// Two members of a group whose transports reach each other over gRPC on loopback, and a third hand on the wire.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogtierError } from '../../src/base/errors.ts';
import { type RaftHello, RaftMessage } from '../../src/gen/logtier/v1/raft.ts';
import { Founders } from '../../src/metastore/log/raft-log/founders.ts';
import {
  GrpcRaftTransport,
  type GroupIdentity,
} from '../../src/metastore/log/raft-log/grpc-transport.ts';
import {
  encodeMembership,
  firstMembership,
  type Membership,
  type Peer,
} from '../../src/metastore/log/raft-log/membership.ts';
import { encodeMessage } from '../../src/metastore/log/raft-log/message-codec.ts';
import type { PeerEvents } from '../../src/metastore/log/raft-log/transport.ts';
import type { Message } from '../../src/metastore/raft/messages.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { nodeDisk } from '../../src/platform/disk.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { defaultChannelSettings, openChannel, type RpcChannel } from '../../src/rpc/channel.ts';
import { defaultServeSettings, type RpcServer, serve } from '../../src/rpc/serve.ts';

export const STALLED_MS = 30_000;
const deps = {
  disk: nodeDisk,
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  log: silentLogger,
};

/** Of the group that begins, or has begun, with both. */
export const VOTERS: readonly Peer[] = [1, 2].map((id) => ({ id, address: `member-${id}` }));

/** A member's transport, and what it told. */
export class TransportMember {
  readonly received: Message[] = [];
  readonly snapshots: { readonly message: Message; readonly bytes: Buffer }[] = [];
  readonly refused: LogtierError[] = [];
  readonly transport: GrpcRaftTransport;
  readonly directory: string;
  address = '';
  private server: RpcServer | undefined;

  private constructor(identity: GroupIdentity) {
    this.directory = identity.directory;
    this.transport = new GrpcRaftTransport(deps, identity);
  }

  static async open(
    nodeId: number,
    directory: string,
    dial: (id: number) => string,
  ): Promise<TransportMember> {
    await mkdir(directory);
    const self = { id: nodeId, address: `member-${nodeId}`, directory: `directory-${nodeId}` };
    return new TransportMember({
      groupId: 'the-group',
      nodeId,
      address: self.address,
      voters: VOTERS,
      directoryId: self.directory,
      founders: await Founders.open(nodeDisk, directory, { self, voters: VOTERS }),
      directory,
      dial: ({ id }) => dial(id),
    });
  }

  async start(): Promise<void> {
    const settings = { ...defaultServeSettings, address: '127.0.0.1:0' };
    this.server = await serve(deps, settings, [this.transport.service]);
    this.address = this.server.address;
    this.transport.start(this.events());
  }

  async stop(): Promise<void> {
    await this.transport.stop();
    await this.server?.stop();
  }

  private events(): PeerEvents {
    return {
      received: (message) => this.received.push(message),
      snapshotReceived: (message, content) => {
        const take = async (): Promise<void> => {
          const chunks: Uint8Array[] = [];
          for await (const piece of content.content(new AbortController().signal))
            chunks.push(piece);
          await content.close();
          this.snapshots.push({ message, bytes: Buffer.concat(chunks) });
        };
        void take();
      },
      unreachable: () => undefined,
      disconnected: () => undefined,
      refused: (error) => this.refused.push(error),
    };
  }
}

/** Member 2 is the one that is dialled. */
export class TransportPair {
  one!: TransportMember;
  two!: TransportMember;
  /** To member 2. */
  raw!: RpcChannel;
  /** Where member 1 dials member 2, when not at its address. */
  way: string | undefined;
  private readonly scratch: string;

  private constructor(scratch: string) {
    this.scratch = scratch;
  }

  static async start(): Promise<TransportPair> {
    const scratch = await mkdtemp(join(tmpdir(), 'transport-'));
    const pair = new TransportPair(scratch);
    const toTwo = () => pair.way ?? pair.two.address;
    pair.one = await TransportMember.open(1, join(scratch, '1'), toTwo);
    pair.two = await TransportMember.open(2, join(scratch, '2'), () => pair.one.address);
    await pair.one.start();
    await pair.two.start();
    pair.raw = openChannel(systemClock, {
      ...defaultChannelSettings,
      address: pair.two.address,
      unavailableAs: 'METASTORE_UNAVAILABLE',
    });
    return pair;
  }

  async stop(): Promise<void> {
    this.raw.stop();
    await this.one.stop();
    await this.two.stop();
    await rm(this.scratch, { recursive: true });
  }
}

export const GROUP: Membership = firstMembership(
  [1, 2].map((id) => ({ id, address: `member-${id}`, directory: `directory-${id}` })),
);

export const hello: RaftHello = {
  groupId: 'the-group',
  from: 1n,
  to: 2n,
  address: 'member-1',
  directory: 'directory-1',
};

const NOTHING: Message = {
  type: 'MsgHeartbeat',
  from: 1,
  to: 2,
  term: 3,
  logTerm: 0,
  index: 0,
  entries: [],
  commit: 0,
  vote: 0,
  reject: false,
  rejectHint: 0,
};
export const append: Message = {
  ...NOTHING,
  type: 'MsgApp',
  index: 4,
  entries: [{ index: 5, term: 3, type: 'normal', data: Buffer.from('a command') }],
};
export const install: Message = {
  ...NOTHING,
  type: 'MsgSnap',
  snapshot: {
    index: 90,
    term: 3,
    confState: GROUP.confState,
    data: encodeMembership(GROUP),
  },
};

export function encoded(message: Message, lie: Partial<RaftMessage> = {}): RaftMessage {
  return { ...RaftMessage.decode(RaftMessage.encode(encodeMessage(message)!).finish()), ...lie };
}

export async function* requestsOf<T>(
  ...requests: readonly T[]
): AsyncGenerator<T, void, undefined> {
  for (const request of requests) yield await Promise.resolve(request);
  // The stream stays open: its end is the receiver's.
  await new Promise(() => undefined);
}

export async function codeOf(run: () => Promise<void>): Promise<string> {
  try {
    await run();
    return 'ended';
  } catch (error) {
    return error instanceof LogtierError ? error.code : String(error);
  }
}
