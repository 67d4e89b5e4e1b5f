// From file, environment and command line to checked settings; each error names file, line and key.
import { LineCounter, isMap, isNode, isScalar, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { LogtierError } from '../base/errors.ts';
import { errnoOf, type Disk } from '../platform/disk.ts';
import { settingsSchema, type Settings } from './settings.ts';

/** `LOGTIER_STORES__MAIN__BUCKET=b` sets stores.main.bucket; names fold to the schema's camel case. */
const ENVIRONMENT_PREFIX = 'LOGTIER_';

/**
 * Every setting lies in a section, so every variable of one holds it. What does not is not ours to refuse:
 * orchestrators set LOGTIER_PORT and the like for a service of that name.
 */
const SECTION_SEPARATOR = '__';

export type SettingSource = 'file' | 'environment' | 'command line' | 'default';

export interface SettingsInput {
  /** Path of the YAML file; undefined: none. */
  readonly file: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Highest precedence; same shape as the file. */
  readonly overrides: Tree;
}

export interface LoadedSettings {
  readonly settings: Settings;
  /** Where each given value comes from, by its dotted path; what is missing here is a default. */
  readonly sources: ReadonlyMap<string, SettingSource>;
}

export type Tree = { readonly [key: string]: unknown };

export async function loadSettings(disk: Disk, input: SettingsInput): Promise<LoadedSettings> {
  const sources = new Map<string, SettingSource>();
  const file = input.file === undefined ? undefined : await readFile(disk, input.file);
  const environment = environmentTree(input.environment);
  const merged = [
    { tree: file?.tree ?? {}, source: 'file' as const },
    { tree: environment, source: 'environment' as const },
    { tree: input.overrides, source: 'command line' as const },
  ].reduce<Tree>((below, { tree, source }) => {
    for (const path of leafPaths(tree)) sources.set(path, source);
    return merge(below, tree);
  }, {});
  const parsed = settingsSchema.safeParse(merged);
  if (!parsed.success) throw settingsError(parsed.error, sources, file);
  return { settings: parsed.data, sources };
}

interface ParsedFile {
  readonly path: string;
  readonly tree: Tree;
  readonly document: Document;
  readonly lines: LineCounter;
}

async function readFile(disk: Disk, path: string): Promise<ParsedFile> {
  const text = await disk.readFile(path).catch((error: unknown) => {
    const why =
      errnoOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read: ${errnoOf(error)}`;
    throw new LogtierError('INVALID_CONFIG', `${path} ${why}`, {
      hint: 'give another file with --config',
    });
  });
  const lines = new LineCounter();
  const document = parseDocument(text.toString('utf8'), { lineCounter: lines, strict: true });
  const [broken] = document.errors;
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    throw new LogtierError(
      'INVALID_CONFIG',
      `${path}:${line}:${col}  ${firstLine(broken.message)}`,
    );
  }
  const tree: unknown = document.toJS() ?? {};
  if (!isTree(tree))
    throw new LogtierError('INVALID_CONFIG', `${path}:1:1  must be a mapping of sections`);
  return { path, tree, document, lines };
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function merge(below: Tree, above: Tree): Tree {
  const merged: Record<string, unknown> = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const under = merged[key];
    merged[key] = isTree(value) && isTree(under) ? merge(under, value) : value;
  }
  return merged;
}

function leafPaths(tree: Tree, prefix = ''): string[] {
  return Object.entries(tree).flatMap(([key, value]) =>
    isTree(value) ? leafPaths(value, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}

function camelCase(name: string): string {
  return name.toLowerCase().replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function environmentTree(environment: SettingsInput['environment']): Tree {
  let tree: Tree = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || !name.startsWith(ENVIRONMENT_PREFIX)) continue;
    const words = name.slice(ENVIRONMENT_PREFIX.length).split(SECTION_SEPARATOR);
    if (words.length < 2) continue;
    const path = words.map(camelCase);
    const leaf = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), scalar(value));
    if (isTree(leaf)) tree = merge(tree, leaf);
  }
  return tree;
}

/** `true`, `3` and `[a, b]` as YAML reads them; everything else stays text. */
function scalar(text: string): unknown {
  const document = parseDocument(text);
  return document.errors.length > 0 ? text : document.toJS();
}

function settingsError(
  error: z.ZodError,
  sources: ReadonlyMap<string, SettingSource>,
  file: ParsedFile | undefined,
): LogtierError {
  const [issue] = error.issues;
  const path = issue === undefined ? [] : keyPath(issue);
  const dotted = path.join('.');
  const place = placeOf(path, dotted, sources, file);
  const others = error.issues.length > 1 ? ` (and ${error.issues.length - 1} more)` : '';
  const words = issue?.code === 'unrecognized_keys' ? 'unknown key' : (issue?.message ?? 'invalid');
  return new LogtierError('INVALID_CONFIG', `${place}  ${dotted}: ${words}${others}`, {
    hint: 'all keys, units and defaults stand in docs/configuration.md',
    details: { key: dotted },
  });
}

function keyPath(issue: z.core.$ZodIssue): PropertyKey[] {
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  return [...issue.path, ...unknown];
}

function placeOf(
  path: readonly PropertyKey[],
  dotted: string,
  sources: ReadonlyMap<string, SettingSource>,
  file: ParsedFile | undefined,
): string {
  const source = sourceOf(dotted, sources);
  if (source !== 'file' || file === undefined) return source ?? file?.path ?? 'settings';
  const offset = positionOf(file.document, path.map(String));
  if (offset === undefined) return file.path;
  const { line, col } = file.lines.linePos(offset);
  return `${file.path}:${line}:${col}`;
}

/** A list is one value of one source: what lies within it has the source of the list; what is missing, of its section. */
function sourceOf(
  dotted: string,
  sources: ReadonlyMap<string, SettingSource>,
): SettingSource | undefined {
  const related = [...sources].find(
    ([known]) =>
      known === dotted || known.startsWith(`${dotted}.`) || dotted.startsWith(`${known}.`),
  );
  if (related !== undefined) return related[1];
  const section = dotted.lastIndexOf('.');
  return section < 0 ? undefined : sourceOf(dotted.slice(0, section), sources);
}

/** Where the key stands; of what is missing, where its section or its item stands. */
function positionOf(document: Document, path: readonly string[]): number | undefined {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const parent: unknown =
      depth === 1 ? document.contents : document.getIn(path.slice(0, depth - 1), true);
    const key = path[depth - 1];
    const pair = isMap(parent)
      ? parent.items.find((item) => isScalar(item.key) && String(item.key.value) === key)
      : undefined;
    const node: unknown = pair?.key ?? document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return undefined;
}
