// Writes the documents that are printed from code. test/tidy/docs.test.ts fails while one of them is stale.
// Usage: npm run docs
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { printedPages } from './docs/pages.ts';

const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
for (const [name, text] of await printedPages(root)) {
  await fs.writeFile(join(root, 'docs', name), text);
  process.stdout.write(`docs/${name}\n`);
}
