// `meta.properties` in the root of a log directory: which cluster and broker it belongs to.
// A Java properties file. Version 1 (KRaft): cluster.id, node.id, directory.id; version 0: broker.id.
import { corrupt, truncated, unsupported } from './file-errors.ts';
import { parseProperties } from './properties.ts';
import { isUuidText } from './uuid.ts';

const FILE = 'meta.properties';

export interface MetaProperties {
  /** Undefined in a version 0 directory that has none yet. */
  readonly clusterId: string | undefined;
  readonly nodeId: number;
  /** KRaft only. */
  readonly directoryId: string | undefined;
}

export function parseMetaProperties(text: string): MetaProperties {
  const lines = text.split('\n');
  if (lines.at(-1) !== '') throw truncated(FILE)('its last line has no end', lines.length);
  const properties = parseProperties(text, (line, number) => corrupt(FILE)(`'${line}'`, number));
  const version = properties.get('version') ?? '0';
  if (version !== '0' && version !== '1') throw unsupported(FILE)(`version ${version}`, 1);
  const idName = version === '1' ? 'node.id' : 'broker.id';
  const clusterId = properties.get('cluster.id');
  if (version === '1' && clusterId === undefined) {
    throw truncated(FILE)('cluster.id is missing', lines.length);
  }
  return {
    clusterId,
    nodeId: parseNodeId(properties.get(idName), idName, lines.length),
    directoryId: parseDirectoryId(properties.get('directory.id'), lines.length),
  };
}

function parseNodeId(text: string | undefined, name: string, line: number): number {
  if (text === undefined) throw truncated(FILE)(`${name} is missing`, line);
  const id = Number(text);
  if (!/^\d{1,10}$/.test(text) || id > 2 ** 31 - 1)
    throw corrupt(FILE)(`${name} is '${text}'`, line);
  return id;
}

function parseDirectoryId(text: string | undefined, line: number): string | undefined {
  if (text !== undefined && !isUuidText(text)) {
    throw corrupt(FILE)(`directory.id is '${text}'`, line);
  }
  return text;
}
