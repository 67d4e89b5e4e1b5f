import { fileURLToPath } from 'node:url';
import { goBinary, type GoModule } from '../support/testbeds/go-module.ts';

/** What our core is compared with. */
export const ETCD_RAFT: GoModule = { path: 'go.etcd.io/raft/v3', version: 'v3.7.0' };

/**
 * The lock-step oracle. Two lines of the library change: the election timeout is drawn from what the
 * command says, not from the machine's dice; and the empty entry in place of a refused conf change does
 * not spell out its default type, which would only weigh 2 bytes in limits (src/metastore/raft/entry-size.ts).
 */
export function oracleBinary(): Promise<string> {
  return goBinary({
    name: 'raft-oracle',
    directory: fileURLToPath(new URL('oracle', import.meta.url)),
    patched: {
      module: ETCD_RAFT,
      edits: [
        {
          file: 'raft.go',
          find: 'return int(v.Int64())',
          replace: 'return lockstepDraw(n, v.Int64())',
        },
        {
          file: 'raft.go',
          find: 'm.GetEntries()[i] = &pb.Entry{Type: pb.EntryNormal.Enum()}',
          replace: 'm.GetEntries()[i] = &pb.Entry{}',
        },
        {
          file: 'lockstep.go',
          find: '',
          replace: [
            'package raft',
            '',
            '// LockstepOffset is what the next draws of an election timeout give above its minimum.',
            'var LockstepOffset int',
            '',
            'func lockstepDraw(n int, _ int64) int { return LockstepOffset % n }',
            '',
          ].join('\n'),
        },
      ],
    },
  });
}
