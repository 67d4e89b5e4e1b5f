// The examples of deploy/ keep up with the code: settings parse, units run commands that exist, alerts name real metrics.
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { globSync } from 'tinyglobby';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { commandNames } from '../../scripts/docs/cli.ts';
import { declaredMetrics, type DeclaredMetric } from '../../scripts/docs/metrics.ts';
import { loadSettings } from '../../src/app/load-settings.ts';
import { settingsSchema } from '../../src/app/settings.ts';
import { nodeDisk } from '../../src/platform/disk.ts';

function loadExample(file: string) {
  return loadSettings(nodeDisk, { file: join('deploy', file), environment: {}, overrides: {} });
}

test('the example settings of sidecar and metastore are valid', async () => {
  const sidecar = await loadExample('logtier.yaml');
  const metastore = await loadExample('metastore.yaml');
  expect(Object.keys(sidecar.settings.stores)).toEqual(['main', 'archive']);
  expect(sidecar.settings.topics.map(({ store }) => store)).toEqual(['archive', 'main']);
  expect(metastore.settings.metastore.listen.grpc).toBe(sidecar.settings.metastore.endpoints?.[0]);
  expect(metastore.settings.state.dir).not.toBe(sidecar.settings.state.dir);
});

/** Commented-out keys of an example, made live: `# key: value` lines below a section. */
function withCommentedKeys(text: string): string {
  return text.replaceAll(/^( *)# ( *[a-z][a-zA-Z]*:(?: \S.*)?)$/gm, '$1$2');
}

test('the keys that the example settings hold in comments are valid too', () => {
  const text = readFileSync('deploy/logtier.yaml', 'utf8');
  const live = withCommentedKeys(text);
  const settings = settingsSchema.parse(parse(live));
  expect(settings.broker?.client.sasl?.mechanism).toBe('SCRAM-SHA-512');
  expect(settings.stores['main']).toMatchObject({ endpoint: 'https://s3.example.org' });
});

interface UnitCommand {
  readonly unit: string;
  readonly config: string;
  readonly command: string;
}

function commandsOf(unit: string): UnitCommand[] {
  const lines = readFileSync(unit, 'utf8').matchAll(
    /^Exec\w+=\/usr\/bin\/logtier --config (\S+) (.+)$/gm,
  );
  return [...lines].map(([, config = '', command = '']) => ({ unit, config, command }));
}

test('the systemd units run commands that exist, with settings that are here', () => {
  const units = globSync('deploy/systemd/*.service').toSorted();
  const commands = units.flatMap(commandsOf);
  expect(commands.map(({ command }) => command)).toEqual(['metastore', 'sidecar']);
  const known = commandNames();
  expect(commands.filter(({ command }) => !known.includes(command))).toEqual([]);
  expect(commands.filter(({ config }) => !existsSync(join('deploy', basename(config))))).toEqual(
    [],
  );
});

test('each unit may write where its settings put the state, and nowhere else', () => {
  const places = ['sidecar', 'metastore'].map((role) => {
    const unit = readFileSync(`deploy/systemd/logtier-${role}.service`, 'utf8');
    const file = role === 'sidecar' ? 'deploy/logtier.yaml' : 'deploy/metastore.yaml';
    const { state } = parse(readFileSync(file, 'utf8')) as { state: { dir: string } };
    const [, directory] = /^StateDirectory=(.+)$/m.exec(unit) ?? [];
    return { isStrict: /^ProtectSystem=strict$/m.test(unit), directory, dir: state.dir };
  });
  expect(places).toEqual([
    { isStrict: true, directory: 'logtier/sidecar', dir: '/var/lib/logtier/sidecar' },
    { isStrict: true, directory: 'logtier/metastore', dir: '/var/lib/logtier/metastore' },
  ]);
});

test('no unit forbids writable code, without which the JavaScript engine does not start', () => {
  const units = globSync('deploy/systemd/*.service');
  expect(units).toHaveLength(2);
  const set = units.filter((unit) => /^MemoryDenyWriteExecute/m.test(readFileSync(unit, 'utf8')));
  expect(set).toEqual([]);
});

interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

function alertRules(): AlertRule[] {
  const file = parse(readFileSync('deploy/prometheus/alerts.yaml', 'utf8')) as {
    groups: { rules: AlertRule[] }[];
  };
  return file.groups.flatMap(({ rules }) => rules);
}

/** A histogram is asked by its parts. */
function namesOf({ name, shape }: DeclaredMetric): string[] {
  return shape.kind === 'histogram'
    ? ['_bucket', '_count', '_sum'].map((end) => name + end)
    : [name];
}

function metricsIn(expr: string): string[] {
  return [...expr.matchAll(/logtier_[a-z0-9_]+/g)].map(([name]) => name);
}

test('the alerts name only metrics that the code declares', async () => {
  const declared = new Set((await declaredMetrics(process.cwd())).flatMap(namesOf));
  const rules = alertRules();
  expect(rules.length).toBeGreaterThan(8);
  const unknown = rules.flatMap(({ alert, expr }) =>
    metricsIn(expr)
      .filter((name) => !declared.has(name))
      .map((name) => `${alert}: ${name}`),
  );
  expect(unknown).toEqual([]);
});

/** Given by Prometheus itself, or the border of a histogram's bucket. */
const LABELS_OF_ALL = ['instance', 'job', 'le'];

function labelsIn({ expr, annotations }: AlertRule): string[] {
  const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((label) => label.trim()),
  );
  const matched = [...expr.matchAll(/[{,]\s*([a-z_]+)\s*[=!]/g)].map(([, label = '']) => label);
  const told = Object.values(annotations).flatMap((text) =>
    [...text.matchAll(/\$labels\.([a-z_]+)/g)].map(([, label = '']) => label),
  );
  return [...grouped, ...matched, ...told];
}

test('the alerts use only labels that their metrics carry', async () => {
  const declared = await declaredMetrics(process.cwd());
  const unknown = alertRules().flatMap((rule) => {
    const names = metricsIn(rule.expr);
    const own = declared.filter((metric) => namesOf(metric).some((name) => names.includes(name)));
    const labels = new Set([...LABELS_OF_ALL, ...own.flatMap(({ shape }) => shape.labels)]);
    return labelsIn(rule)
      .filter((label) => !labels.has(label))
      .map((label) => `${rule.alert}: ${label}`);
  });
  expect(unknown).toEqual([]);
});

test('only what counts is asked for its rate', async () => {
  const gauges = (await declaredMetrics(process.cwd()))
    .filter(({ shape }) => shape.kind === 'gauge')
    .map(({ name }) => name);
  expect(gauges.length).toBeGreaterThan(3);
  const wrong = alertRules().filter(({ expr }) =>
    [...expr.matchAll(/(?:rate|increase)\((logtier_[a-z0-9_]+)/g)].some(([, name = '']) =>
      gauges.includes(name),
    ),
  );
  expect(wrong.map(({ alert }) => alert)).toEqual([]);
});
