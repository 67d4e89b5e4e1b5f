// Metrics are declared as data in each room's metrics.ts and made live here; names get the prefix `logtier_`.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

type Labels<L extends string> = Readonly<Record<L, string>>;

export interface CounterShape<L extends string> {
  readonly kind: 'counter';
  readonly help: string;
  readonly labels: readonly L[];
}
export interface GaugeShape<L extends string> {
  readonly kind: 'gauge';
  readonly help: string;
  readonly labels: readonly L[];
}
export interface HistogramShape<L extends string> {
  readonly kind: 'histogram';
  readonly help: string;
  readonly labels: readonly L[];
  readonly buckets: readonly number[];
}
export type MetricShape = CounterShape<string> | GaugeShape<string> | HistogramShape<string>;
export type MetricShapes = Readonly<Record<string, MetricShape>>;

/** Labels are required when the metric has any; a wrong label does not compile. */
type LabelArgs<L extends string> = [L] extends [never] ? [] : [labels: Labels<L>];

export interface LiveCounter<L extends string> {
  add(amount: number, ...labels: LabelArgs<L>): void;
}
export interface LiveGauge<L extends string> {
  set(value: number, ...labels: LabelArgs<L>): void;
  add(amount: number, ...labels: LabelArgs<L>): void;
  remove(...labels: LabelArgs<L>): void;
}
export interface LiveHistogram<L extends string> {
  observe(value: number, ...labels: LabelArgs<L>): void;
}

type Live<S> =
  S extends CounterShape<infer L>
    ? LiveCounter<L>
    : S extends GaugeShape<infer L>
      ? LiveGauge<L>
      : S extends HistogramShape<infer L>
        ? LiveHistogram<L>
        : never;

export type LiveMetrics<S extends MetricShapes> = { readonly [K in keyof S]: Live<S[K]> };

export function counter<L extends string = never>(
  help: string,
  labels: readonly L[] = [],
): CounterShape<L> {
  return { kind: 'counter', help, labels };
}

export function gauge<L extends string = never>(
  help: string,
  labels: readonly L[] = [],
): GaugeShape<L> {
  return { kind: 'gauge', help, labels };
}

export function histogram<L extends string = never>(
  help: string,
  buckets: readonly number[],
  labels: readonly L[] = [],
): HistogramShape<L> {
  return { kind: 'histogram', help, labels, buckets };
}

export interface MetricsRegistry {
  /** Makes the declared metrics live; those without labels start at 0. A room does this once. */
  live<S extends MetricShapes>(shapes: S): LiveMetrics<S>;
  /** Prometheus text format 0.0.4. */
  print(): Promise<string>;
}

function liveCounter(
  registry: Registry,
  name: string,
  shape: CounterShape<string>,
): LiveCounter<string> {
  const metric = new Counter({
    name,
    help: shape.help,
    labelNames: [...shape.labels],
    registers: [registry],
  });
  return {
    add: (amount, labels?: Labels<string>) => {
      metric.inc(labels ?? {}, amount);
    },
  };
}

function liveGauge(registry: Registry, name: string, shape: GaugeShape<string>): LiveGauge<string> {
  const metric = new Gauge({
    name,
    help: shape.help,
    labelNames: [...shape.labels],
    registers: [registry],
  });
  return {
    set: (value, labels?: Labels<string>) => {
      metric.set(labels ?? {}, value);
    },
    add: (amount, labels?: Labels<string>) => {
      metric.inc(labels ?? {}, amount);
    },
    remove: (labels?: Labels<string>) => {
      metric.remove(labels ?? {});
    },
  };
}

function liveHistogram(
  registry: Registry,
  name: string,
  shape: HistogramShape<string>,
): LiveHistogram<string> {
  const metric = new Histogram({
    name,
    help: shape.help,
    labelNames: [...shape.labels],
    buckets: [...shape.buckets],
    registers: [registry],
  });
  return {
    observe: (value, labels?: Labels<string>) => {
      metric.observe(labels ?? {}, value);
    },
  };
}

function liveMetric(registry: Registry, name: string, shape: MetricShape): unknown {
  switch (shape.kind) {
    case 'counter':
      return liveCounter(registry, name, shape);
    case 'gauge':
      return liveGauge(registry, name, shape);
    case 'histogram':
      return liveHistogram(registry, name, shape);
  }
}

export function createMetrics(): MetricsRegistry {
  const registry = new Registry();
  return {
    live: <S extends MetricShapes>(shapes: S) =>
      Object.fromEntries(
        Object.entries(shapes).map(([name, shape]) => [
          name,
          liveMetric(registry, `logtier_${name}`, shape),
        ]),
      ) as LiveMetrics<S>,
    print: () => registry.metrics(),
  };
}
