// docs/safety.md names a test for each rule and each hard case: none of them may be a wish.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface NamedTest {
  readonly file: string;
  readonly name: string;
}

const ROW = /^\|.*\| `(test\/[^`]+)` \| (.+) \|$/gm;

function namedTests(): NamedTest[] {
  const page = readFileSync('docs/safety.md', 'utf8');
  return [...page.matchAll(ROW)].map(([, file = '', name = '']) => ({ file, name }));
}

/** As a string literal of the file, in any quotes: whoever renames a test meets the page. */
function isIn({ file, name }: NamedTest): boolean {
  if (!existsSync(file)) return false;
  const text = readFileSync(file, 'utf8');
  return ["'", '"', '`'].some((quote) => text.includes(`${quote}${name}${quote}`));
}

test('every test that docs/safety.md names exists in the file it names', () => {
  const named = namedTests();
  expect(named.length).toBeGreaterThan(80);
  expect(named.filter((one) => !isIn(one))).toEqual([]);
});

test('every rule that watch mode and the catalog rest on has a test', () => {
  const page = readFileSync('docs/safety.md', 'utf8');
  const rules = new Set([...page.matchAll(/^\| (\d+) \|/gm)].map(([, number]) => Number(number)));
  const wanted = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
    27, 30, 31, 32,
  ];
  expect(wanted.filter((rule) => !rules.has(rule))).toEqual([]);
});

test('what has no test is listed as such', () => {
  const page = readFileSync('docs/safety.md', 'utf8');
  expect(page).toMatch(/^## Not covered yet\n\n- /m);
});
