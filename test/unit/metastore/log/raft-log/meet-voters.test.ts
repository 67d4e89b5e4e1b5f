import { expect, test } from 'vitest';
import { LogtierError } from '../../../../../src/base/errors.ts';
import {
  type Introduction,
  meetVoters,
} from '../../../../../src/metastore/log/raft-log/meet-voters.ts';
import type { Peer } from '../../../../../src/metastore/log/raft-log/membership.ts';
import { silentLogger } from '../../../../../src/platform/log.ts';
import { hastyClock } from '../../../../support/hasty-clock.ts';

const voters: Peer[] = [1, 2, 3].map((id) => ({ id, address: `host-${id}:7410` }));
const self = { id: 1, address: 'host-1:7410', directory: 'one' };

/** `answers[id]` are given in turn, the last one for ever. */
function meeting(answers: Record<number, readonly (Introduction | LogtierError)[]>) {
  const asked = new Map<number, number>();
  const deps = {
    clock: hastyClock,
    random: { share: () => 0.5, bytes: (count: number) => new Uint8Array(count) },
    logger: silentLogger,
    introduce: ({ id }: Peer, signal: AbortSignal): Promise<Introduction> => {
      const list = answers[id] ?? [];
      const at = asked.get(id) ?? 0;
      asked.set(id, at + 1);
      const answer = list[Math.min(at, list.length - 1)];
      if (answer instanceof LogtierError) return Promise.reject(answer);
      if (answer !== undefined) return Promise.resolve(answer);
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reject(new LogtierError('ABORTED', 'ended'));
        });
      });
    },
  };
  return { asked, meet: () => meetVoters(deps, { self, voters }, new AbortController().signal) };
}

const isNew = (directory: string): Introduction => ({ directory, members: [], voters });
const away = new LogtierError('METASTORE_UNAVAILABLE', 'nobody there');

test('a group begins with every voter and its directory, once all have answered', async () => {
  const { meet, asked } = meeting({ 2: [isNew('two')], 3: [away, away, isNew('three')] });
  expect(await meet()).toEqual([
    { id: 1, address: 'host-1:7410', directory: 'one' },
    { id: 2, address: 'host-2:7410', directory: 'two' },
    { id: 3, address: 'host-3:7410', directory: 'three' },
  ]);
  expect(asked.get(3)).toBe(3);
});

test('a voter that the others began with joins them at the first answer', async () => {
  const begun = { directory: 'two', members: [self, { id: 2, address: '', directory: 'two' }] };
  expect(await meeting({ 2: [{ ...begun, voters }], 3: [] }).meet()).toEqual([]);
});

test('a voter that they began with under another directory has lost what it promised', async () => {
  const members = [{ ...self, directory: 'before' }];
  const { meet } = meeting({ 2: [{ directory: 'two', members, voters }], 3: [away] });
  await expect(meet()).rejects.toMatchObject({ code: 'WRONG_DIRECTORY' });
});

test('a group that began without this voter does not take it in', async () => {
  const members = [{ id: 2, address: '', directory: 'two' }];
  const { meet } = meeting({ 2: [{ directory: 'two', members, voters }], 3: [away] });
  await expect(meet()).rejects.toMatchObject({ code: 'WRONG_CLUSTER' });
});

test('voters with another list of voters are waited for until they agree', async () => {
  const wrong = { directory: 'two', members: [], voters: voters.slice(0, 2) };
  const { meet, asked } = meeting({ 2: [wrong, wrong, isNew('two')], 3: [isNew('three')] });
  expect(await meet()).toHaveLength(3);
  expect(asked.get(2)).toBe(3);
});

test('what another voter says of a lost directory is final', async () => {
  const lost = new LogtierError('WRONG_DIRECTORY', 'member 1 has lost its directory');
  await expect(meeting({ 2: [lost], 3: [away] }).meet()).rejects.toBe(lost);
});
