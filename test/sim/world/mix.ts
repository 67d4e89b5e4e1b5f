// Which faults a seed has, and how often: each seed draws its own mix, so that rare combinations come up.
import type { Draw } from '../../support/memory-disk.ts';

export interface Mix {
  readonly members: 1 | 3 | 5;
  readonly brokers: number;
  readonly weights: Readonly<Record<FaultName, number>>;
  readonly everyMs: number;
  readonly lossShare: number;
  readonly doubleShare: number;
  readonly slowShare: number;
  readonly breakShare: number;
  readonly slowEngine: number;
  readonly flushMs: number;
  readonly flushBytes: number;
  readonly keptRevisions: number;
  readonly keptBytes: number;
  readonly fileBytes: number;
  readonly clientMs: number;
}

export type FaultName =
  | 'crash'
  | 'kill'
  | 'crashAtAwait'
  | 'stop'
  | 'pause'
  | 'cutOneWay'
  | 'cutAll'
  | 'heal'
  | 'weather'
  | 'slowDisk'
  | 'fullDisk'
  | 'syncError'
  | 'bitFlip'
  | 'wipe'
  | 'rejoinWiped'
  | 'clientDies'
  | 'clientPause'
  | 'clockJump'
  | 'leaderMoves'
  | 'transfer'
  | 'replace'
  | 'restore';

/** Drawn weights of zero are as good as large ones: a fault that is missing lets others go deeper. */
const FAULTS: Readonly<Record<FaultName, number>> = {
  crash: 3,
  kill: 2,
  crashAtAwait: 4,
  stop: 1,
  pause: 2,
  cutOneWay: 2,
  cutAll: 2,
  heal: 1,
  weather: 2,
  slowDisk: 1,
  fullDisk: 1,
  syncError: 1,
  bitFlip: 1,
  wipe: 1,
  rejoinWiped: 1,
  clientDies: 2,
  clientPause: 1,
  clockJump: 1,
  leaderMoves: 6,
  transfer: 1,
  replace: 2,
  restore: 0.4,
};

const CHANGE_THE_GROUP: ReadonlySet<FaultName> = new Set([
  'bitFlip',
  'wipe',
  'rejoinWiped',
  'replace',
  'restore',
] as const);

export function drawMix(draw: Draw): Mix {
  const dice = draw();
  const names = Object.keys(FAULTS) as FaultName[];
  // In some the log is cut all the time: who was away needs a snapshot. Each file repeats the memberships since
  // the last cut, so that small ones bear no change of the group.
  const isShort = draw() < 0.4;
  const weights = Object.fromEntries(
    names.map((name) => {
      const weight = draw() < 0.3 ? 0 : FAULTS[name] * draw();
      return [name, isShort && CHANGE_THE_GROUP.has(name) ? 0 : weight];
    }),
  ) as Record<FaultName, number>;
  const some = (share: number, most: number): number => (draw() < share ? draw() * most : 0);
  return {
    members: dice < 0.15 ? 1 : dice < 0.85 ? 3 : 5,
    brokers: 2 + Math.floor(draw() * 2),
    weights,
    everyMs: 100 + draw() * 700,
    lossShare: some(0.5, 0.15),
    doubleShare: some(0.5, 0.1),
    slowShare: some(0.5, 0.1),
    breakShare: some(0.5, 0.2),
    slowEngine: some(0.7, 0.2),
    flushMs: 300 + draw() * 2500,
    flushBytes: isShort ? 1_000 + draw() * 5_000 : draw() < 0.5 ? 4_000 + draw() * 20_000 : 1e9,
    keptRevisions: draw() < 0.5 ? 20 + Math.floor(draw() * 100) : 100_000,
    keptBytes: isShort || draw() < 0.6 ? 0 : 64 * 1024,
    fileBytes: isShort ? 8 * 1024 : 32 * 1024,
    clientMs: 30 + draw() * 90,
  };
}

export function pickFault({ weights }: Mix, draw: Draw): FaultName | undefined {
  const names = Object.keys(weights) as FaultName[];
  const total = names.reduce((sum, name) => sum + weights[name], 0);
  let left = draw() * total;
  for (const name of names) {
    left -= weights[name];
    if (left < 0) return name;
  }
  return undefined;
}
