// docs/configuration.md: every key of the settings file, walked out of the schema that checks it.
import { z } from 'zod';
import { settingsSchema } from '../../src/app/settings.ts';
import { code, markdownTable, pageHead } from './markdown.ts';

/** The part of JSON Schema that `z.toJSONSchema` uses for our settings. */
interface Shape {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  readonly additionalProperties?: Shape | boolean;
  readonly oneOf?: readonly Shape[];
  readonly enum?: readonly string[];
  readonly const?: string;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

interface Key {
  readonly path: string;
  readonly shape: Shape;
  readonly isRequired: boolean;
}

const INTRODUCTION = `
One YAML file, given with \`--config\` or \`LOGTIER_CONFIG\`; one section a room. Unknown keys are refused, and an error
names file, line and column. \`logtier config validate\` checks a file, \`logtier config show --effective\` prints every
value and where it comes from.

Precedence: command line, environment, file, default. A variable is the key's path in capitals, with two underscores
between levels and one between the words of a key: \`LOGTIER_STORES__MAIN__BUCKET=tier\` sets \`stores.main.bucket\`,
\`LOGTIER_UPLOADER__COPIES_IN_FLIGHT=2\` sets \`uploader.copiesInFlight\`.

Sizes and times always carry a unit: \`16MiB\` (B, KiB, MiB, GiB, TiB), \`30s\` (ms, s, m, h, d). \`NAME\` stands for a
name of your choice, \`[]\` for an entry of a list. Secrets are files, never values.
`;

export function printConfiguration(): string {
  const root = z.toJSONSchema(settingsSchema, { io: 'input' }) as Shape;
  const sections = Object.entries(root.properties ?? {}).map(([name, shape]) =>
    printSection(name, shape),
  );
  const head = pageHead('Configuration', 'the schema in `src/app/settings.ts`');
  return [head, INTRODUCTION, ...sections].join('');
}

function printSection(name: string, shape: Shape): string {
  const words = shape.description === undefined ? '' : `\n${shape.description}\n`;
  const entry = typeof shape.additionalProperties === 'object' ? shape.additionalProperties : {};
  const body =
    entry.oneOf === undefined
      ? table(keysOf(shape, sectionPath(name, shape)))
      : entry.oneOf.map((kind) => printKind(`${name}.NAME`, kind)).join('');
  return `\n## ${code(name)}\n${words}${body}`;
}

function sectionPath(name: string, shape: Shape): string {
  return shape.type === 'array' ? `${name}[]` : name;
}

/** One member of a union, by the value of its `kind`. */
function printKind(path: string, shape: Shape): string {
  const kind = shape.properties?.['kind'];
  const words = kind?.description === undefined ? '' : `\n${kind.description}\n`;
  return `\n### ${code(`kind: ${kind?.const ?? ''}`)}\n${words}${table(keysOf(shape, path))}`;
}

/** The leaves below `shape`, depth first, in the order of the schema. */
function keysOf(shape: Shape, path: string): Key[] {
  const owner = shape.type === 'array' ? (shape.items ?? {}) : shape;
  return Object.entries(owner.properties ?? {}).flatMap(([name, child]) => {
    const key = { path: `${path}.${name}`, shape: child };
    const isRequired = owner.required?.includes(name) === true;
    const own: Key[] =
      isSection(child) && child.description === undefined ? [] : [{ ...key, isRequired }];
    return isSection(child) ? [...own, ...keysOf(child, key.path)] : own;
  });
}

function isSection(shape: Shape): boolean {
  return shape.properties !== undefined || shape.items?.properties !== undefined;
}

function table(keys: readonly Key[]): string {
  const rows = markdownTable<Key>(
    [
      { header: 'key', cell: ({ path }) => code(path) },
      { header: 'value', cell: ({ shape }) => valueWords(shape) },
      { header: 'default', cell: defaultWords },
      { header: 'meaning', cell: ({ shape }) => shape.description ?? '' },
    ],
    keys,
  );
  return `\n${rows}`;
}

function defaultWords({ shape, isRequired }: Key): string {
  if (isRequired) return '**required**';
  if (isSection(shape) || shape.default === undefined) return '–';
  if (shape.default === '') return 'empty';
  return code(typeof shape.default === 'string' ? shape.default : JSON.stringify(shape.default));
}

function valueWords(shape: Shape): string {
  if (isSection(shape)) return 'section';
  if (shape.const !== undefined) return code(shape.const);
  if (shape.enum !== undefined) return shape.enum.map(code).join(', ');
  if (shape.type === 'array') return `list of ${valueWords(shape.items ?? {})}${countWords(shape)}`;
  if (shape.type === 'integer') return `whole number${range(shape.minimum, shape.maximum)}`;
  if (shape.type === 'boolean') return '`true`, `false`';
  return textWords(shape);
}

function countWords({ minItems, maxItems }: Shape): string {
  if (maxItems !== undefined) return ` (${minItems ?? 0} to ${maxItems})`;
  return minItems === undefined ? '' : ` (at least ${minItems})`;
}

function range(minimum: number | undefined, maximum: number | undefined): string {
  const given = [minimum, maximum].filter((bound) => bound !== undefined);
  return given.length === 2 ? ` ${given.map(String).join(' to ')}` : '';
}

/** What a pattern of ours means to a person, by how it begins. */
const PATTERN_WORDS: readonly (readonly [prefix: string, words: string])[] = [
  [String.raw`^(\d+)(ms|`, 'time'],
  [String.raw`^(\d+)(B|`, 'size'],
  [String.raw`^(unix:`, 'HOST:PORT or unix:/path'],
  [String.raw`^[^:\s]+:\d`, 'HOST:PORT'],
  ['^[0-7]{3}', 'three octal digits'],
  [String.raw`^\/`, 'absolute path'],
  [String.raw`^(\/`, 'absolute path'],
];

function textWords({ pattern, format, minLength, maxLength }: Shape): string {
  const known = PATTERN_WORDS.find(([prefix]) => pattern?.startsWith(prefix) === true);
  if (known !== undefined) return known[1];
  if (format === 'uri') return 'URL';
  const length = range(minLength, maxLength);
  return length === '' ? 'text' : `text,${length} characters`;
}
