// The metastore, and the three clocks that must agree before anything is deleted (rule 8).
import { printDuration } from '../../base/units.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Diagnosis } from '../../gen/logtier/v1/operator.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { failed, ok, warn, fail, type Check } from '../diagnosis.ts';
import type { RemoteCatalog } from '../remote-catalog.ts';

export interface CatalogCheckDeps {
  readonly catalog: Pick<RemoteCatalog, 'status' | 'silentMs'>;
  readonly stores: ReadonlyMap<string, ObjectStore>;
  readonly clock: Clock;
}

/** Retention stands still beyond it (rule 8). */
const LARGEST_SKEW_MS = 5 * 60_000;
const METASTORE_HINT = 'check metastore.endpoints and that a majority of its members runs';
const CLOCK_HINT = 'synchronise the clocks; until then remote retention deletes nothing';

export function catalogChecks(
  deps: CatalogCheckDeps,
  { freshMs }: { readonly freshMs: number },
): Check[] {
  return [
    { name: 'metastore', run: (signal) => checkMetastore(deps, freshMs, signal) },
    { name: 'clock-metastore', run: (signal) => checkMetastoreClock(deps, signal) },
    ...[...deps.stores].map(([name, store]): Check => {
      const check = `clock-store-${name}`;
      const ask = (signal: AbortSignal): Promise<number> => store.wallClockMs(signal);
      return { name: check, run: (signal) => checkSkew(deps.clock, check, ask, signal) };
    }),
  ];
}

async function checkMetastore(
  { catalog }: CatalogCheckDeps,
  freshMs: number,
  signal: AbortSignal,
): Promise<Diagnosis[]> {
  const check = 'metastore';
  try {
    const status = await catalog.status(signal);
    const facts = `it has a leader; ${status.segments} segments, ${status.eraseQueue} objects to erase`;
    return [ok(check, facts), ...heldWords(status), ...staleWords(catalog.silentMs(), freshMs)];
  } catch (error) {
    return [failed(check, 'it does not answer, or has no leader', error, METASTORE_HINT)];
  }
}

function heldWords({
  clockHeld,
  orphanLock,
}: {
  readonly clockHeld: boolean;
  readonly orphanLock: boolean;
}): Diagnosis[] {
  const held = fail(
    'metastore',
    'its clock is held after a jump: nothing comes due',
    'check the members’ clocks, then logtier clock confirm',
  );
  const locked = warn(
    'metastore',
    'orphan erasing is locked since a restore',
    'reconcile the stores with the catalog first',
  );
  return [...(clockHeld ? [held] : []), ...(orphanLock ? [locked] : [])];
}

function staleWords(silentMs: number, freshMs: number): Diagnosis[] {
  if (silentMs <= freshMs) return [];
  const age = Number.isFinite(silentMs) ? `${printDuration(silentMs)} old` : 'not loaded yet';
  return [fail('metastore', `the local view is ${age}: reads answer NOT_READY`, METASTORE_HINT)];
}

function checkMetastoreClock(
  { catalog, clock }: CatalogCheckDeps,
  signal: AbortSignal,
): Promise<Diagnosis[]> {
  const ask = async (bound: AbortSignal): Promise<number> =>
    (await catalog.status(bound)).memberClockMs;
  return checkSkew(clock, 'clock-metastore', ask, signal);
}

/** Compared with the middle of the question, so that a slow answer is no skew. */
async function checkSkew(
  clock: Clock,
  check: string,
  ask: (signal: AbortSignal) => Promise<number>,
  signal: AbortSignal,
): Promise<Diagnosis[]> {
  const askedMs = clock.wallMs();
  try {
    const toldMs = await ask(signal);
    const skewMs = toldMs - (askedMs + clock.wallMs()) / 2;
    const side = skewMs < 0 ? 'behind' : 'ahead of';
    const text = `it is ${printDuration(Math.abs(skewMs))} ${side} this host`;
    return [Math.abs(skewMs) <= LARGEST_SKEW_MS ? ok(check, text) : fail(check, text, CLOCK_HINT)];
  } catch (error) {
    return [failed(check, 'its clock could not be read', error, CLOCK_HINT)];
  }
}
