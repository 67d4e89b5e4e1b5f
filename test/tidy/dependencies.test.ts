// docs/dependencies.md and package.json name the same packages, each pinned and each with its reason.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface PackageFile {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const { dependencies, devDependencies } = JSON.parse(
  readFileSync('package.json', 'utf8'),
) as PackageFile;

interface Documented {
  readonly name: string;
  readonly version: string;
}

/** Lines of the form: | `name` | version | why | … */
function documented(heading: string): Documented[] {
  const text = readFileSync('docs/dependencies.md', 'utf8');
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \| (\S+) \| (\S.*)$/gm)].map(
    ([, name = '', version = '']) => ({ name, version }),
  );
}

function byName(packages: Readonly<Record<string, string>>): Documented[] {
  return Object.entries(packages)
    .map(([name, version]) => ({ name, version }))
    .toSorted((left, right) => (left.name < right.name ? -1 : 1));
}

test('every package at run time has its line, and every line its package', () => {
  expect(Object.keys(dependencies).length).toBeGreaterThan(5);
  expect(documented('At run time')).toEqual(byName(dependencies));
});

test('every package for work on the project has its line, and every line its package', () => {
  expect(Object.keys(devDependencies).length).toBeGreaterThan(5);
  expect(documented('For work on the project')).toEqual(byName(devDependencies));
});

test('every version is pinned exactly', () => {
  const all = [...Object.entries(dependencies), ...Object.entries(devDependencies)];
  expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});
