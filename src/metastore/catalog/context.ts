import type { CatalogState, ClientSession } from '../../gen/logtier/v1/catalog_command.ts';
import type { Revision } from '../../segment/ids.ts';
import type { Draft } from './draft.ts';
import type { TouchedRows } from './touched-rows.ts';

/** What a command's operations read and change. Thrown away whole when one of them is refused. */
export interface CommandContext {
  readonly draft: Draft;
  /** A copy of this command's own: operations count and move the clock in it. */
  readonly state: CatalogState;
  readonly cluster: number;
  readonly clusterId: string;
  /** Of this entry; what a claim made now gets as its token. */
  readonly revision: Revision;
  /** The leading member's wall clock when it took the command; the replicated clock is in `state`. */
  readonly entryMs: bigint;
  readonly clientId: bigint;
  /** Undefined for RegisterClient and for a member's own commands. */
  readonly session: ClientSession | undefined;
  readonly touched: TouchedRows;
}
