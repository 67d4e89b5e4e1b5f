import { expect, test } from 'vitest';
import { parseProperties } from '../../../src/kafka/properties.ts';

function parse(text: string): Record<string, string> {
  const properties = parseProperties(text, (line, number) => new Error(`${number}: ${line}`));
  return Object.fromEntries(properties);
}

test('keys end at =, : or white space; comments and empty lines are passed over', () => {
  expect(parse('# a=1\n! b=2\n\na=1\n b : 2\nc 3\nd\n')).toEqual({ a: '1', b: '2', c: '3', d: '' });
});

test('escapes are undone in keys and values', () => {
  expect(parse('a\\:b=c\\=d\\u0041\\t\\q\n')).toEqual({ 'a:b': 'c=dA\tq' });
});

test('a backslash at the end joins lines, two of them are one backslash', () => {
  expect(parse('a=1,\\\n   2\nb=x\\\\\nc=3\n')).toEqual({ a: '1,2', b: 'x\\', c: '3' });
});

test('the last of two equal keys wins, and a value keeps its own signs', () => {
  expect(parse('a=1\na=b=c:d\n')).toEqual({ a: 'b=c:d' });
});

test('a line without a key is named by its number', () => {
  expect(() => parse('a=1\n=2\n')).toThrow('2: =2');
});
