import { expect, test } from 'vitest';
import { LogtierError } from '../../../../src/base/errors.ts';
import type { KvEngine } from '../../../../src/metastore/engine/kv-engine.ts';
import { type EngineHome, openEngineHome } from '../../../../src/metastore/member/engine-home.ts';
import { silentLogger } from '../../../../src/platform/log.ts';
import { MemoryEngines } from '../../../support/engine-homes.ts';
import { type Draw, MemoryDisk, seededDraw } from '../../../support/memory-disk.ts';
import { codeOf } from '../../../support/metastore-world.ts';

const AT = '/member';
const KEY = Buffer.from('k');
const bytes = (text: string): Buffer => Buffer.from(text);

class HomeWorld {
  readonly disk = new MemoryDisk();
  readonly engines = new MemoryEngines();

  constructor() {
    this.disk.place(`${AT}/metastore-id`, bytes('id'));
  }

  async open(): Promise<EngineHome> {
    const disk = this.disk.forProcess();
    const openEngine = this.engines.openerOn(disk);
    return await openEngineHome({ disk, logger: silentLogger, openEngine }, AT);
  }

  /** A home whose engine holds `text`, durable. */
  async openWith(text: string): Promise<EngineHome> {
    const home = await this.open();
    await home.engine.batch([{ kind: 'put', key: KEY, value: bytes(text) }]);
    await home.engine.flush();
    return home;
  }

  crash(draw: Draw): void {
    this.disk.fault = () => undefined;
    this.disk.crash(draw);
    this.engines.crash();
  }

  async names(): Promise<string[]> {
    const names = (await this.disk.list(AT)).map(({ name }) => name);
    return names.filter((name) => name.startsWith('db') || name === 'CURRENT').toSorted();
  }
}

/** Two batches, so that a half-filled engine can be told from a whole one. */
function fillWith(text: string): (engine: KvEngine) => Promise<void> {
  return async (engine) => {
    await engine.batch([{ kind: 'put', key: bytes('half'), value: bytes(text) }]);
    await engine.batch([{ kind: 'put', key: KEY, value: bytes(text) }]);
  };
}

async function textOf({ engine }: EngineHome): Promise<string | undefined> {
  const value = await engine.get(KEY);
  return value === undefined ? undefined : Buffer.from(value).toString();
}

test('a directory without CURRENT is `db`, as before there were snapshots', async () => {
  const world = new HomeWorld();
  const home = await world.openWith('old');
  expect([await world.names(), home.installedAt]).toEqual([['db'], 0n]);
  await home.close();
  expect(await textOf(await world.open())).toBe('old');
});

test('a replaced engine is the one that the next start opens, and the old one is gone', async () => {
  const world = new HomeWorld();
  const home = await world.openWith('old');
  const { engine } = home;
  await home.replace(500n, fillWith('new'));
  await home.replace(900n, fillWith('newer'));
  expect([await textOf(home), home.engine === engine, home.installedAt]).toEqual([
    'newer',
    true,
    900n,
  ]);
  expect(await world.names()).toEqual(['CURRENT', 'db.900']);
  await home.close();
  world.crash(() => 0);
  const again = await world.open();
  expect([await textOf(again), again.installedAt]).toEqual(['newer', 900n]);
});

test('a content that fails to come leaves all as it was', async () => {
  const world = new HomeWorld();
  const home = await world.openWith('old');
  const failing = home.replace(500n, async (engine) => {
    await fillWith('half')(engine);
    throw new LogtierError('SNAPSHOT_DAMAGED', 'on demand');
  });
  expect(await codeOf(failing)).toBe('SNAPSHOT_DAMAGED');
  expect([await textOf(home), await world.names()]).toEqual(['old', ['db']]);
  await home.replace(500n, fillWith('new'));
  expect(await textOf(home)).toBe('new');
});

test('power lost or the disk failing at any step: the old engine or the new one, whole', async () => {
  const draws = [() => 0, () => 0.999, seededDraw(1), seededDraw(2)];
  const seen = new Set<string>();
  for (const draw of draws) {
    for (let step = 0, isThrough = false; !isThrough; step += 1) {
      const world = new HomeWorld();
      const home = await world.openWith('old');
      let left = step;
      world.disk.fault = () => (left-- > 0 ? undefined : 'EIO');
      const outcome = await codeOf(home.replace(500n, fillWith('new')));
      isThrough = outcome === 'none' && left >= 0;
      world.crash(draw);
      const again = await world.open();
      const text = await textOf(again);
      seen.add(`${outcome} ${text}`);
      expect(await world.names()).toEqual(text === 'old' ? ['db'] : ['CURRENT', 'db.500']);
      // And it goes on from there.
      await again.replace(501n, fillWith('next'));
      expect(await textOf(again)).toBe('next');
      expect(step).toBeLessThan(200);
    }
  }
  expect([...seen].toSorted()).toEqual(['DISK_FAILED new', 'DISK_FAILED old', 'none new']);
});

test('readers of the old content end with a retriable error, never with a mix', async () => {
  const world = new HomeWorld();
  const home = await world.openWith('old');
  await home.engine.batch([{ kind: 'put', key: bytes('l'), value: bytes('old') }]);
  const all = { from: bytes('a'), to: bytes('z') };
  const moment = await home.engine.snapshot();
  const begun = home.engine.range(all)[Symbol.asyncIterator]();
  const first = await begun.next();
  expect(first.value).toMatchObject({ value: bytes('old') });
  await home.replace(500n, fillWith('new'));
  const reads = [begun.next(), moment.get(KEY), moment.getMany([KEY])];
  const range = moment.range(all)[Symbol.asyncIterator]().next();
  for (const read of [...reads, range]) {
    expect(await codeOf(read)).toBe('METASTORE_UNAVAILABLE');
  }
  await moment.close();
  expect(await textOf(home)).toBe('new');
});

test('an engine that CURRENT does not lead to is never replaced by an empty one', async () => {
  const world = new HomeWorld();
  const home = await world.openWith('old');
  await home.replace(500n, fillWith('new'));
  await home.close();
  const [, pointer] = world.disk.contents().find(([path]) => path.endsWith('/CURRENT')) ?? [];
  world.disk.remove(`${AT}/CURRENT`);
  await expect(world.open()).rejects.toMatchObject({
    code: 'CORRUPT_STATE',
    message: '/member/CURRENT is missing beside db.500',
  });
  for (const wrong of ['db.600\n', 'db.500', '../elsewhere\n', '']) {
    world.disk.place(`${AT}/CURRENT`, bytes(wrong));
    expect(await codeOf(world.open())).toBe('CORRUPT_STATE');
  }
  world.disk.place(`${AT}/CURRENT`, pointer!);
  expect(await textOf(await world.open())).toBe('new');
});
