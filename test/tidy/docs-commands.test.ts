// Commands that the documents name exist: of `logtier`, of make, of npm.
import { readFileSync } from 'node:fs';
import { globSync } from 'tinyglobby';
import { expect, test } from 'vitest';
import { commandNames } from '../../scripts/docs/cli.ts';

interface Named {
  readonly page: string;
  readonly words: string;
}

/** Every match of the first group of `pattern` in hand-written documents. */
function named(pattern: RegExp): Named[] {
  const pages = globSync(['*.md', '{docs,deploy}/**/*.md', 'deploy/**/*.{yaml,service}']);
  expect(pages.length).toBeGreaterThan(15);
  return pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(pattern)].map(([, words = '']) => ({ page, words })),
  );
}

test('every command of logtier that a document names exists', () => {
  const known = commandNames();
  // In code, at the start of a shell line, or after the executable's path; options may come first.
  const used = named(
    /(?:`|^\s*(?:node )?|: )(?:dist\/app\/main\.js|\/usr\/bin\/logtier|logtier) (?:-{1,2}\w+ \S+ )*([a-z][a-z-]*(?: [a-z][a-z-]*){0,2})(?![\w-])/gm,
  );
  expect(used.length).toBeGreaterThan(15);
  // A command with its first arguments, or a group of commands.
  const isKnown = (words: string): boolean =>
    known.some((name) => `${words} `.startsWith(`${name} `) || `${name} `.startsWith(`${words} `));
  expect(used.filter(({ words }) => !isKnown(words))).toEqual([]);
});

test('every make target that a document names exists', () => {
  const makefile = readFileSync('Makefile', 'utf8');
  const known = [...makefile.matchAll(/^([a-z-]+):/gm)].map(([, target]) => target);
  const used = named(/(?:`|^)make ([a-z-]+)/gm);
  expect(used.length).toBeGreaterThan(5);
  expect(used.filter(({ words }) => !known.includes(words))).toEqual([]);
});

test('every npm script that a document names exists', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    scripts: Record<string, string>;
  };
  const used = named(/npm run ([a-z:-]+)/g);
  expect(used.length).toBeGreaterThan(5);
  expect(used.filter(({ words }) => !Object.hasOwn(scripts, words))).toEqual([]);
});
