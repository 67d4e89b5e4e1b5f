// The documents keep up with the code: printed pages are what would be printed now, and links lead somewhere.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { globSync } from 'tinyglobby';
import { expect, test } from 'vitest';
import { printedPages } from '../../scripts/docs/pages.ts';

function readOr(path: string, fallback: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : fallback;
}

test('every printed document is what `npm run docs` would print now', async () => {
  const pages = await printedPages(process.cwd());
  expect(pages.size).toBeGreaterThan(5);
  const stale = [...pages].filter(([name, text]) => readOr(join('docs', name), '') !== text);
  const mend = stale.map(([name]) => `docs/${name} is stale: run \`npm run docs\` and commit it`);
  expect(mend).toEqual([]);
});

test('every printed document says at its top what it is printed from', async () => {
  const pages = await printedPages(process.cwd());
  const silent = [...pages].filter(([, text]) => !/^# .+\n\n\*Printed from /.test(text));
  expect(silent.map(([name]) => name)).toEqual([]);
});

const LINK = /\[[^\]]*\]\(([^)\s]+)\)/g;

/** Relative links whose file is not there. */
function deadLinks(page: string): string[] {
  const text = readFileSync(page, 'utf8').replaceAll(/```[\s\S]*?```/g, '');
  return [...text.matchAll(LINK)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => target.replace(/#.*$/, ''))
    .filter((path) => path !== '' && !existsSync(join(dirname(page), path)))
    .map((path) => `${page}: ${path}`);
}

test('every link between documents leads to a file', () => {
  const pages = globSync(['*.md', '{docs,deploy}/**/*.md']);
  expect(pages.length).toBeGreaterThan(10);
  expect(pages.flatMap(deadLinks)).toEqual([]);
});

/** `src/…` and the like, as the documents name files of the repository. */
const NAMED_FILE = /`((?:src|test|scripts|bench|docs|deploy|proto)\/[\w./-]+\.\w+)`/g;

test('every file that a document names is there', () => {
  const pages = globSync(['*.md', '{docs,deploy}/**/*.md']);
  const named = pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(NAMED_FILE)].map(([, path = '']) => ({ page, path })),
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter(({ path }) => !existsSync(path))).toEqual([]);
});

/** room → rooms it may import, as `test/tidy/layers.test.ts` writes its table. */
function roomsInCode(): Map<string, string> {
  const text = readFileSync('test/tidy/layers.test.ts', 'utf8');
  const entry = /^ {2}'?([\w/]+)'?: \{\s*imports: (?:\[([^\]]*)\]|(everything)),/gm;
  return new Map(
    [...text.matchAll(entry)].map(([, room = '', list = '', all]) => [
      room,
      all === undefined ? list.replaceAll(/[\s']/g, '').replace(/,$/, '') : '*',
    ]),
  );
}

/** The same out of the table of ARCHITECTURE.md: | `room` | what lives there | may import | */
function roomsInWords(): Map<string, string> {
  const text =
    readFileSync('ARCHITECTURE.md', 'utf8').split('## Rooms')[1]?.split('\n## ')[0] ?? '';
  return new Map(
    [...text.matchAll(/^\| `([\w/]+)` \| .+ \| (.+) \|$/gm)].map(([, room = '', list = '']) => [
      room,
      list === '–' ? '' : list.replaceAll(' ', ''),
    ]),
  );
}

test('the table of rooms in ARCHITECTURE.md is the one that the layers test holds', () => {
  const inCode = roomsInCode();
  expect(inCode.size).toBeGreaterThan(15);
  expect(roomsInWords()).toEqual(inCode);
});

/** Kafka's own settings that look like ours. */
const KAFKAS = ['log.dirs'];

/** Settings named in prose: `uploader.scanIntervalMs`, `topics[].retention`. */
test('every setting that a document names exists', async () => {
  const known = (await printedPages(process.cwd())).get('configuration.md') ?? '';
  const sections = [...known.matchAll(/^## `(\w+)`$/gm)].map(([, section = '']) => section);
  expect(sections.length).toBeGreaterThan(8);
  const named = new RegExp(`\`((?:${sections.join('|')})(?:\\[\\])?\\.[\\w.]+)\``, 'g');
  const pages = globSync(['*.md', '{docs,deploy}/**/*.md']);
  const unknown = pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(named)]
      .map(([, key = '']) => key)
      .filter((key) => !KAFKAS.includes(key))
      .filter((key) => !known.includes(`\`${key}\``) && !known.includes(`\`${key}.`))
      .map((key) => `${page}: ${key}`),
  );
  expect(unknown).toEqual([]);
});
