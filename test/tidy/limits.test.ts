// Limits a machine can hold: file length here, function length in .oxlintrc.json.
import { readFileSync } from 'node:fs';
import { globSync } from 'tinyglobby';
import { expect, test } from 'vitest';

const MAX_CODE_LINES = 400;

function codeLines(text: string): number {
  const withoutBlocks = text.replaceAll(/\/\*[\s\S]*?\*\//g, '');
  return withoutBlocks.split('\n').filter((line) => line.trim() !== '' && !/^\s*\/\//.test(line))
    .length;
}

test('no file holds more than 400 lines of code', () => {
  const files = globSync(['{src,test,bench,scripts}/**/*.ts'], { ignore: ['src/gen/**'] });
  expect(files.length).toBeGreaterThan(80);
  const long = files
    .map((file) => ({ file, lines: codeLines(readFileSync(file, 'utf8')) }))
    .filter(({ lines }) => lines > MAX_CODE_LINES);
  expect(long).toEqual([]);
});

test('no test is skipped, focused or left to do', () => {
  const files = globSync('test/**/*.ts');
  expect(files.length).toBeGreaterThan(30);
  const banned = new RegExp(String.raw`\b(test|it|describe)\.(skip|todo|only|skipIf|runIf)\b`);
  expect(files.filter((file) => banned.test(readFileSync(file, 'utf8')))).toEqual([]);
});

test('nothing is left open in the source', () => {
  const files = globSync(['{src,scripts,bench}/**/*.ts'], { ignore: ['src/gen/**'] });
  const open = new RegExp(
    String.raw`\b(TO` +
      String.raw`DO|FIX` +
      String.raw`ME|XX` +
      String.raw`X|HA` +
      String.raw`CK)\b`,
  );
  expect(files.filter((file) => open.test(readFileSync(file, 'utf8')))).toEqual([]);
});
