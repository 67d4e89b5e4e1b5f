// A metastore of one member in a directory.
import { raftHome } from '../../src/metastore/log/raft-log/raft-home.ts';
import {
  type Metastore,
  type MetastoreDeps,
  openMetastore,
} from '../../src/metastore/member/open-metastore.ts';
import type { MemberSettings } from '../../src/metastore/member/settings.ts';

export async function openAlone(
  deps: MetastoreDeps,
  settings: MemberSettings,
  directory: string,
): Promise<Metastore> {
  const logHome = raftHome(deps, settings.log);
  return await openMetastore(deps, settings, { directory, logHome });
}
