// The room table of ARCHITECTURE.md, as code: who may import whom, and which packages a room may name.
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { globSync } from 'tinyglobby';
import { expect, test } from 'vitest';

interface Room {
  /** Rooms below that it may import, besides itself. */
  readonly imports: readonly string[];
  /** Packages, by file pattern within the room where only some files may. */
  readonly packages: readonly string[];
}

const everything = ['*'];

/** Longest match first: `metastore/raft` before `metastore`. */
const rooms: Readonly<Record<string, Room>> = {
  base: { imports: [], packages: ['zod', 'node:zlib', 'node:util'] },
  platform: { imports: ['base'], packages: ['node:*', 'pino', 'prom-client'] },
  gen: { imports: [], packages: ['@bufbuild/protobuf', '@grpc/grpc-js'] },
  kafka: { imports: ['base'], packages: [] },
  segment: { imports: ['base', 'kafka', 'gen'], packages: [] },
  broker: { imports: ['base', 'platform', 'kafka'], packages: ['zod', 'node:path'] },
  store: { imports: ['base', 'platform', 'segment'], packages: ['node:*', 'zod'] },
  cache: { imports: ['base', 'platform', 'segment'], packages: ['lru-cache', 'node:*', 'zod'] },
  rpc: { imports: ['base', 'platform', 'gen'], packages: ['@grpc/grpc-js', 'node:*'] },
  'metastore/engine': { imports: ['base', 'platform'], packages: ['node:*'] },
  'metastore/wal': { imports: ['base', 'platform'], packages: ['node:*', 'zod'] },
  'metastore/raft': { imports: ['base'], packages: [] },
  'metastore/log': {
    imports: ['base', 'platform', 'metastore/wal', 'metastore/raft', 'rpc', 'gen'],
    packages: ['node:*', 'zod', '@grpc/grpc-js'],
  },
  'metastore/catalog': {
    imports: ['base', 'kafka', 'segment', 'gen', 'metastore/engine'],
    packages: ['@bufbuild/protobuf'],
  },
  'metastore/member': {
    imports: [
      'base',
      'platform',
      'kafka',
      'segment',
      'gen',
      'rpc',
      'metastore/engine',
      'metastore/wal',
      'metastore/log',
      'metastore/catalog',
    ],
    packages: ['node:*', 'zod'],
  },
  'metastore/service': {
    imports: [
      'base',
      'platform',
      'kafka',
      'segment',
      'gen',
      'rpc',
      'metastore/engine',
      'metastore/log',
      'metastore/catalog',
      'metastore/member',
    ],
    packages: ['node:*', 'zod', '@grpc/grpc-js'],
  },
  'metastore/client': {
    imports: [
      'base',
      'platform',
      'kafka',
      'segment',
      'gen',
      'rpc',
      'metastore/engine',
      'metastore/catalog',
    ],
    packages: ['node:*', 'zod'],
  },
  uploader: {
    imports: ['base', 'platform', 'kafka', 'segment', 'broker', 'store'],
    packages: ['node:*', 'zod'],
  },
  fetcher: {
    imports: ['base', 'platform', 'kafka', 'segment', 'broker', 'store', 'cache'],
    packages: ['node:*', 'zod', 'lru-cache'],
  },
  operator: {
    imports: [
      'base',
      'platform',
      'kafka',
      'segment',
      'broker',
      'store',
      'cache',
      'gen',
      'uploader',
      'fetcher',
    ],
    packages: ['node:*', 'zod'],
  },
  services: {
    imports: [
      'base',
      'platform',
      'kafka',
      'segment',
      'broker',
      'store',
      'cache',
      'gen',
      'rpc',
      'uploader',
      'fetcher',
      'operator',
    ],
    packages: ['node:*', '@grpc/grpc-js'],
  },
  cli: {
    imports: ['base', 'platform', 'kafka', 'segment', 'store', 'gen', 'rpc'],
    packages: ['node:*', 'commander'],
  },
  app: { imports: everything, packages: ['node:*', 'yaml', 'zod'] },
};

/** Packages that exactly one file or folder may name. */
const homes: Readonly<Record<string, RegExp>> = {
  '@node-rs/crc32': /^base\/checksum\.ts$/,
  snappy: /^base\/decompress\.ts$/,
  'lz4-napi': /^base\/decompress\.ts$/,
  '@mongodb-js/zstd': /^base\/decompress\.ts$/,
  'rocksdb-native': /^metastore\/engine\/rocksdb-[a-z-]+\.ts$/,
  '@platformatic/kafka': /^broker\/kafka-connection\.ts$/,
  '@aws-sdk/client-s3': /^store\/s3\//,
};

interface Import {
  readonly file: string;
  readonly target: string;
}

const IMPORT =
  /^(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|\bimport\(['"]([^'"]+)['"]\)/gms;

function importsOf(file: string): Import[] {
  const text = readFileSync(join('src', file), 'utf8');
  return [...text.matchAll(IMPORT)].map(([, from, bare, dynamic]) => ({
    file,
    target: from ?? bare ?? dynamic ?? '',
  }));
}

function roomOf(file: string): string {
  const [first = '', second = ''] = file.split('/');
  return Object.hasOwn(rooms, `${first}/${second}`) ? `${first}/${second}` : first;
}

function allowsPackage(room: Room, name: string): boolean {
  return room.packages.some(
    (allowed) => allowed === name || (allowed === 'node:*' && name.startsWith('node:')),
  );
}

function packageName(target: string): string {
  if (target.startsWith('node:')) return target;
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

function complaint({ file, target }: Import): string[] {
  const room = rooms[roomOf(file)];
  if (room === undefined) return [`${file} is in no room of the table`];
  if (target.startsWith('.')) {
    const to = roomOf(relative('src', join('src', dirname(file), target)));
    const allowed = room.imports === everything || room.imports.includes(to) || to === roomOf(file);
    return allowed ? [] : [`${file} imports ${target}: ${roomOf(file)} may not know ${to}`];
  }
  const name = packageName(target);
  const home = homes[name];
  if (home !== undefined) return home.test(file) ? [] : [`${file} names ${name}, which has a home`];
  const isSettings = name === 'zod' && file.endsWith('settings.ts');
  return isSettings || allowsPackage(room, name) ? [] : [`${file} names the package ${name}`];
}

test('every import goes down, and every package is named only where the table says', () => {
  const files = globSync('**/*.ts', { cwd: 'src', ignore: ['gen/**'] });
  expect(files.length).toBeGreaterThan(50); // a walker that finds nothing must not pass
  const imports = files.flatMap(importsOf);
  expect(imports.length).toBeGreaterThan(100);
  expect(imports.flatMap(complaint)).toEqual([]);
});

test('the table itself only goes down', () => {
  const order = Object.keys(rooms);
  const upward = Object.entries(rooms).flatMap(([name, room]) =>
    room.imports
      .filter((below) => below !== '*' && order.indexOf(below) >= order.indexOf(name))
      .map((below) => `${name} → ${below}`),
  );
  expect(upward).toEqual([]);
});
