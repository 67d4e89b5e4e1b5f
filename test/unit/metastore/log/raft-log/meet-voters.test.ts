import { expect, test } from 'vitest';
import { LogtierError } from '../../../../../src/base/errors.ts';
import { Founders } from '../../../../../src/metastore/log/raft-log/founders.ts';
import {
  type Introduction,
  meetVoters,
} from '../../../../../src/metastore/log/raft-log/meet-voters.ts';
import type { Peer } from '../../../../../src/metastore/log/raft-log/membership.ts';
import { silentLogger } from '../../../../../src/platform/log.ts';
import { hastyClock } from '../../../../support/hasty-clock.ts';
import { MemoryDisk } from '../../../../support/memory-disk.ts';

const voters: Peer[] = [1, 2, 3].map((id) => ({ id, address: `host-${id}:7410` }));
const self = { id: 1, address: 'host-1:7410', directory: 'one' };
const LIST: Peer[] = voters.map((voter, at) => ({
  ...voter,
  directory: ['one', 'two', 'three'][at],
}));

type Answer = Introduction | LogtierError;

/** `answers[id]` are given in turn, the last one for ever. */
function meeting(answers: Record<number, readonly Answer[]>) {
  const asked = new Map<number, (readonly Peer[])[]>();
  const disk = new MemoryDisk();
  const introduce = (
    { id }: Peer,
    proposed: readonly Peer[],
    signal: AbortSignal,
  ): Promise<Introduction> => {
    const list = answers[id] ?? [];
    const before = asked.get(id) ?? [];
    asked.set(id, [...before, proposed]);
    const answer = list[Math.min(before.length, list.length - 1)];
    if (answer instanceof LogtierError) return Promise.reject(answer);
    if (answer !== undefined) return Promise.resolve(answer);
    return new Promise((_, reject) => {
      signal.addEventListener('abort', () => {
        reject(new LogtierError('ABORTED', 'ended'));
      });
    });
  };
  const meet = async (): Promise<readonly Peer[]> => {
    await disk.makeDirectory('/log');
    const founders = await Founders.open(disk, '/log', { self, voters });
    const deps = {
      clock: hastyClock,
      random: { share: () => 0.5, bytes: (count: number) => new Uint8Array(count) },
      logger: silentLogger,
      founders,
      introduce,
    };
    return await meetVoters(deps, { self, voters }, new AbortController().signal);
  };
  return { asked, meet };
}

const isNew = (directory: string): Introduction => ({
  directory,
  members: [],
  voters,
  founders: [],
});
const agreed = (directory: string, founders = LIST): Introduction => ({
  ...isNew(directory),
  founders,
});
const begun = (members: readonly Peer[]): Introduction => ({ ...isNew('two'), members });
const away = new LogtierError('METASTORE_UNAVAILABLE', 'nobody there');

test('a group begins with every voter and its directory, once all have agreed', async () => {
  const { meet, asked } = meeting({
    2: [isNew('two'), agreed('two')],
    3: [away, isNew('three'), isNew('three'), away, agreed('three')],
  });
  expect(await meet()).toEqual(LIST);
  expect(asked.get(2)).toEqual([[], LIST]);
  expect(asked.get(3)).toEqual([[], [], LIST, LIST, LIST]);
});

test('who has agreed before it was killed asks for no other list', async () => {
  const first = meeting({ 2: [isNew('two'), begun([self])], 3: [isNew('three')] });
  expect(await first.meet()).toEqual([]);
  first.asked.clear();
  expect(await first.meet()).toEqual([]);
  expect(first.asked.get(3)?.[0]).toEqual(LIST);
});

test('a voter that agreed to another directory of a third one is waited for', async () => {
  const other = LIST.with(2, { ...LIST[2]!, directory: 'before' });
  const { meet, asked } = meeting({
    2: [isNew('two'), agreed('two', other), agreed('two', other), agreed('two')],
    3: [isNew('three'), agreed('three')],
  });
  expect(await meet()).toEqual(LIST);
  expect(asked.get(2)).toHaveLength(4);
});

test('a voter that the others began with joins them at the first answer', async () => {
  const members = [self, { id: 2, address: '', directory: 'two' }];
  expect(await meeting({ 2: [begun(members)], 3: [] }).meet()).toEqual([]);
});

test('a voter that they began with under another directory has lost what it promised', async () => {
  const { meet } = meeting({ 2: [begun([{ ...self, directory: 'before' }])], 3: [away] });
  await expect(meet()).rejects.toMatchObject({ code: 'WRONG_DIRECTORY' });
});

test('a group that began without this voter does not take it in', async () => {
  const { meet } = meeting({ 2: [begun([{ id: 2, address: '', directory: 'two' }])], 3: [away] });
  await expect(meet()).rejects.toMatchObject({ code: 'WRONG_CLUSTER' });
});

test('voters with another list of voters are waited for until they agree', async () => {
  const wrong = { ...isNew('two'), voters: voters.slice(0, 2) };
  const { meet, asked } = meeting({
    2: [wrong, wrong, isNew('two'), agreed('two')],
    3: [isNew('three'), agreed('three')],
  });
  expect(await meet()).toHaveLength(3);
  expect(asked.get(2)).toHaveLength(4);
});

test('what another voter says of a lost directory is final', async () => {
  const lost = new LogtierError('WRONG_DIRECTORY', 'member 1 has lost its directory');
  await expect(meeting({ 2: [lost], 3: [away] }).meet()).rejects.toBe(lost);
});
