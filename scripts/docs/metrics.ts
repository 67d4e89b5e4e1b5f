// docs/metrics.md: every metric that a room's metrics.ts declares. The alert rules are checked against the same list.
import { dirname, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { globSync } from 'tinyglobby';
import type { MetricShape } from '../../src/platform/metrics.ts';
import { code, markdownTable, pageHead } from './markdown.ts';

export interface DeclaredMetric {
  /** Path of the room under src/. */
  readonly room: string;
  /** As Prometheus sees it, prefix included. */
  readonly name: string;
  readonly shape: MetricShape;
}

const PREFIX = 'logtier_';

const INTRODUCTION = `
Prometheus text format at \`/metrics\` of \`listen.http\` (sidecar, 7401) and \`metastore.listen.http\` (metastore, 7412).
A metric without labels is there from the start, at 0; one with labels appears with its first value. Histograms are
cumulative, in seconds. No label holds an offset, a key or a partition.
`;

export async function declaredMetrics(root: string): Promise<readonly DeclaredMetric[]> {
  const files = globSync('src/**/metrics.ts', { cwd: root, absolute: true }).toSorted();
  const found: DeclaredMetric[] = [];
  for (const file of files) {
    const room = relative(`${root}/src`, dirname(file));
    if (room === 'platform') continue; // declares none, makes the others live
    const module: unknown = await import(pathToFileURL(file).href);
    found.push(...shapesOf(module).map(([name, shape]) => ({ room, name: PREFIX + name, shape })));
  }
  return found;
}

function shapesOf(module: unknown): [string, MetricShape][] {
  return Object.values(module as Record<string, unknown>)
    .filter((value) => typeof value === 'object' && value !== null)
    .flatMap((value) => Object.entries(value as Record<string, unknown>))
    .filter((entry): entry is [string, MetricShape] => isShape(entry[1]));
}

function isShape(value: unknown): value is MetricShape {
  if (typeof value !== 'object' || value === null) return false;
  return 'kind' in value && 'help' in value && 'labels' in value;
}

export async function printMetrics(root: string): Promise<string> {
  const metrics = await declaredMetrics(root);
  const rooms = [...new Set(metrics.map(({ room }) => room))];
  const sections = rooms.map((room) => {
    const rows = metrics.filter((metric) => metric.room === room);
    return `\n## ${room}\n\n${table(rows)}`;
  });
  const head = pageHead('Metrics', 'the `metrics.ts` of each room');
  return head + INTRODUCTION + sections.join('');
}

function table(rows: readonly DeclaredMetric[]): string {
  return markdownTable<DeclaredMetric>(
    [
      { header: 'metric', cell: ({ name }) => code(name) },
      { header: 'kind', cell: ({ shape }) => shape.kind },
      { header: 'labels', cell: ({ shape }) => shape.labels.map(code).join(', ') || '–' },
      { header: 'meaning', cell: ({ shape }) => shape.help },
    ],
    rows,
  );
}
