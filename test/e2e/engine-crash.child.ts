// Writes numbered batches into the RocksDB engine at argv[2] until it is killed; says how many were taken.
import { openRocksdbEngine } from '../../src/metastore/engine/rocksdb-engine.ts';

const engine = await openRocksdbEngine(process.argv[2]!);
const start = Number(process.argv[3]);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

for (let at = start; ; at += 1) {
  const count = encode(String(at));
  await engine.batch([
    { kind: 'put', key: encode(`row ${String(at).padStart(9, '0')}`), value: new Uint8Array(200) },
    { kind: 'put', key: encode('applied'), value: count },
    { kind: 'delete', key: encode(`twin ${at - 1}`) },
    { kind: 'put', key: encode(`twin ${at}`), value: count },
  ]);
  if (at % 500 === 499) await engine.flush();
  process.stdout.write(`${at}\n`);
}
