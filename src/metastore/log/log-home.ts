// Where a member's log lives: one interface for the ways to open it.
import type { RpcService } from '../../rpc/serve.ts';
import type { GroupControl } from './raft-log/group-control.ts';
import type { LogIndex, ReplicatedLog } from './replicated-log.ts';

export interface LogPlace {
  /** The member's own, exists; the log takes `log` and `incoming-*` in it. */
  readonly directory: string;
  readonly metastoreId: string;
  /** Newest entry in the catalog, durable with it; 0 when there is none. */
  readonly applied: { readonly index: LogIndex; readonly term: bigint };
}

export interface OpenedLog {
  readonly log: ReplicatedLog;
  /** What other members call, to be served at this one's address. */
  readonly services: readonly RpcService[];
  /** Undefined where members are not this log's own matter, and before a new group has begun. */
  readonly group: () => GroupControl | undefined;
}

export interface LogHome {
  /** The metastore that must be found; undefined: whichever the directory belongs to, a new one at first. */
  readonly metastoreId: string | undefined;
  open(place: LogPlace): Promise<OpenedLog>;
}
