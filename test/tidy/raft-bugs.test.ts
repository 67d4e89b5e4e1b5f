// docs/raft.md names tests for each known bug of other Raft logs: none of them may be a wish.
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const BUGS = 29;
const ROW = /^\| (\d+) \| (.+?) \| `(test\/[^`]+)` \| (.+) \|$/gm;

interface NamedTest {
  readonly bug: number;
  readonly what: string;
  readonly file: string;
  readonly title: string;
}

function namedTests(): NamedTest[] {
  const page = readFileSync('docs/raft.md', 'utf8');
  return [...page.matchAll(ROW)].map(([, bug, what = '', file = '', title = '']) => {
    return { bug: Number(bug), what, file, title };
  });
}

/** As a string literal of the file, in any quotes: whoever renames a test meets the page. */
function isIn({ file, title }: NamedTest): boolean {
  if (!existsSync(file)) return false;
  const text = readFileSync(file, 'utf8');
  return ["'", '"', '`'].some((quote) => text.includes(`${quote}${title}${quote}`));
}

test('every test that docs/raft.md names exists in the file it names', () => {
  expect(namedTests().filter((one) => !isIn(one))).toEqual([]);
});

test('each known bug has a test, in the order of their numbers, and one description', () => {
  const named = namedTests();
  const numbers = named.map(({ bug }) => bug);
  expect(numbers).toEqual(numbers.toSorted((left, right) => left - right));
  expect([...new Set(numbers)]).toEqual(Array.from({ length: BUGS }, (_, at) => at + 1));
  const described = new Set(named.map(({ bug, what }) => `${bug} ${what}`));
  expect(described.size).toBe(BUGS);
});

test('a test whose title speaks of a bug by number is in the table under that number', () => {
  const named = namedTests();
  const files = new Set(named.map(({ file }) => file));
  const spoken = [...files].flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/['"`](bug (\d+): [^'"`]+)['"`]/g)].map(
      ([, title = '', bug]) => ({ bug: Number(bug), file, title }),
    ),
  );
  expect(spoken.length).toBeGreaterThan(40);
  const missing = spoken.filter(
    (one) =>
      !named.some(
        ({ bug, file, title }) => bug === one.bug && file === one.file && title === one.title,
      ),
  );
  expect(missing).toEqual([]);
});
