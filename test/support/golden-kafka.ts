// The files of a real broker under test/golden/kafka, written by scripts/golden-kafka.ts.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const HOME = new URL('../golden/kafka/', import.meta.url);

export interface ReadFacts {
  /** The partition's directory. */
  readonly directory: string;
  readonly isolation: 'read_uncommitted' | 'read_committed';
  readonly count: number;
  /** RecordsDigest over what Apache's consumer read. */
  readonly sha256: string;
  readonly logEnd: number;
}

export interface GoldenFacts {
  readonly version: string;
  readonly clusterId: string;
  readonly topicIds: Readonly<Record<string, string>>;
  readonly reads: readonly ReadFacts[];
}

export function goldenFacts(): GoldenFacts {
  return JSON.parse(readFileSync(new URL('facts.json', HOME), 'utf8')) as GoldenFacts;
}

/** `path` under the broker's log directory. */
export function goldenFile(path: string): Buffer {
  return readFileSync(new URL(`data/${path}`, HOME));
}

export function goldenNames(directory: string): string[] {
  return readdirSync(fileURLToPath(new URL(`data/${directory}`, HOME))).toSorted();
}

/** What DumpLogSegments printed, by file name, in lines. */
export function goldenDump(directory: string): Map<string, string[]> {
  const text = readFileSync(new URL(`dumps/${directory}.txt`, HOME), 'utf8');
  const files = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of text.split('\n')) {
    const [, name] = /^Dumping (\S+)$/.exec(line) ?? [];
    if (name === undefined) lines.push(line);
    else {
      lines = [];
      files.set(name, lines);
    }
  }
  return files;
}
