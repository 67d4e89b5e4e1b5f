// Stored member directories of older state versions, and what was answered from them.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { QueryRequest, QueryResponse } from '../../src/gen/logtier/v1/catalog.ts';
import type { PartitionRef } from '../../src/gen/logtier/v1/catalog_command.ts';
import { memberSettings } from '../../src/metastore/member/settings.ts';
import type { CatalogMember } from '../../src/metastore/member/catalog-member.ts';
import {
  type CatalogService,
  catalogService,
} from '../../src/metastore/service/catalog-service.ts';
import { compareTokens, type Revision } from '../../src/segment/ids.ts';

const NEVER: AbortSignal = new AbortController().signal;

export const goldenSettings = memberSettings.parse({ log: { wal: { fileBytes: '1MiB' } } });

/** Facts of one run, not of what is stored. */
const UNSTORED = ['stateVersion', 'stateHash', 'appliedIndex', 'memberClockMs'];

/** All files of a directory but the engine's own chatter, as one compressed document. */
export async function packed(directory: string): Promise<Uint8Array> {
  const files: Record<string, string> = {};
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /^LOG|^LOCK$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    files[path.slice(directory.length + 1)] = (await readFile(path)).toString('base64');
  }
  return gzipSync(JSON.stringify(files), { level: 9 });
}

export async function unpack(archive: string, directory: string): Promise<void> {
  const text = gunzipSync(await readFile(archive)).toString();
  const files: [string, string][] = Object.entries(JSON.parse(text));
  for (const [name, content] of files) {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, Buffer.from(content, 'base64'));
  }
}

/** JSON with offsets as text and bytes as base64, one value a line. */
export function printed(value: unknown): string {
  return `${JSON.stringify(value, plain, 1)}\n`;
}

function plain(this: unknown, key: string, value: unknown): unknown {
  if (UNSTORED.includes(key)) return undefined;
  if (typeof value === 'bigint') return String(value);
  const isBytes = typeof value === 'object' && value !== null && 'type' in value && 'data' in value;
  return isBytes ? Buffer.from(value.data as number[]).toString('base64') : value;
}

/** Everything that a member tells of what is stored. */
export async function answersOf(member: CatalogMember): Promise<object> {
  const service = catalogService(member);
  const ask = async (
    clusterId: string,
    query: QueryRequest['query'],
  ): Promise<NonNullable<QueryResponse['answer']>['value']> => {
    const { answer } = await service.query({ clusterId, query }, NEVER);
    if (answer === undefined) throw new Error('no answer');
    return answer.value;
  };
  const answers: Record<string, unknown> = {
    status: await ask('', { $case: 'status', value: {} }),
    clusters: await ask('', { $case: 'clusters', value: {} }),
    history: await historyOf(member),
  };
  const { clusterIds = [] } = answers['clusters'] as { clusterIds?: string[] };
  for (const clusterId of clusterIds) {
    const all = { topic: '', after: undefined, limit: 0 };
    const partitions = await ask(clusterId, { $case: 'partitions', value: all });
    const queue = { dueBeforeMs: 0n, limit: 0, stores: [] };
    answers[clusterId] = {
      partitions,
      eraseQueue: await ask(clusterId, { $case: 'eraseQueue', value: queue }),
      segments: await segmentsOf(service, clusterId, partitions),
    };
  }
  return answers;
}

async function segmentsOf(
  service: CatalogService,
  clusterId: string,
  listed: object,
): Promise<unknown[]> {
  const { partitions } = listed as {
    partitions: { partition: { partition: PartitionRef } }[];
  };
  const all: unknown[] = [];
  for (const { partition } of partitions) {
    const request = { clusterId, partition: partition.partition };
    for await (const page of service.listSegments(request, NEVER)) all.push(...page.segments);
  }
  return all;
}

async function historyOf(member: CatalogMember): Promise<unknown[]> {
  const upTo = member.revision;
  const messages: unknown[] = [];
  let at: Revision = { incarnation: 1, index: 0n };
  while (compareTokens(at, upTo) < 0) {
    const page = await member.changes(at);
    messages.push(...page.revisions);
    at = page.upTo;
  }
  return messages;
}
