import { expect, test } from 'vitest';
import { remoteShape, tierSizes, type RemoteExtent } from '../../../src/operator/tier-sizes.ts';

const lineage = [{ epoch: 0, startOffset: 0n }];

function remote(startOffset: bigint, nextOffset: bigint, logBytes = 1000, epoch = 0): RemoteExtent {
  return { startOffset, nextOffset, logBytes, epochs: [{ epoch, startOffset }] };
}

function local(startOffset: bigint, nextOffset: bigint | undefined, logBytes = 1000) {
  return { startOffset, nextOffset, logBytes };
}

function sizes(
  locals: readonly ReturnType<typeof local>[],
  remotes: readonly RemoteExtent[],
  remoteStart = 0n,
) {
  return tierSizes(locals, remoteShape(remotes, lineage, remoteStart));
}

test('with equal borders each byte is counted once, the active segment as local only', () => {
  const locals = [local(100n, 200n, 1100), local(200n, 300n, 1200), local(300n, undefined, 50)];
  const remotes = [remote(0n, 100n, 1000), remote(100n, 200n, 1100)];
  expect(sizes(locals, remotes)).toEqual({
    remoteOnlyBytes: 1000,
    bothBytes: 1100,
    localOnlyBytes: 1250,
  });
});

test('with other borders the bytes of a cut segment are shared out by its offsets', () => {
  const locals = [local(50n, 150n, 1000), local(150n, undefined, 10)];
  const remotes = [remote(0n, 100n, 400)];
  expect(sizes(locals, remotes)).toEqual({
    remoteOnlyBytes: 200,
    bothBytes: 500,
    localOnlyBytes: 510,
  });
});

test('remote segments that overlap count each offset once', () => {
  const remotes = [remote(0n, 100n, 1000), remote(50n, 150n, 2000), remote(60n, 90n, 9999)];
  expect(remoteShape(remotes, lineage, 0n)).toEqual({
    parts: [
      { startOffset: 0n, nextOffset: 100n, bytes: 1000 },
      { startOffset: 100n, nextOffset: 150n, bytes: 1000 },
    ],
    covered: [{ startOffset: 0n, nextOffset: 150n }],
    bytes: 2000,
  });
});

test('what the lineage contradicts and what lies below the remote start is not offered', () => {
  const remotes = [remote(0n, 100n), remote(100n, 200n, 500, 7), remote(200n, 300n, 800)];
  const told = [...lineage, { epoch: 1, startOffset: 300n }];
  expect(remoteShape(remotes, told, 50n)).toEqual({
    parts: [
      { startOffset: 50n, nextOffset: 100n, bytes: 500 },
      { startOffset: 200n, nextOffset: 300n, bytes: 800 },
    ],
    covered: [
      { startOffset: 50n, nextOffset: 100n },
      { startOffset: 200n, nextOffset: 300n },
    ],
    bytes: 1300,
  });
});

test('a hole in the cover of one local segment leaves its share local only', () => {
  const remotes = [remote(0n, 25n, 250), remote(75n, 100n, 250)];
  expect(sizes([local(0n, 100n, 1000)], remotes)).toEqual({
    remoteOnlyBytes: 0,
    bothBytes: 500,
    localOnlyBytes: 500,
  });
});

test('remote data above a follower that lags is remote only, and none is lost without local data', () => {
  const remotes = [remote(0n, 100n), remote(100n, 200n)];
  expect(sizes([local(0n, 100n)], remotes)).toEqual({
    remoteOnlyBytes: 1000,
    bothBytes: 1000,
    localOnlyBytes: 0,
  });
  expect(sizes([], remotes)).toEqual({ remoteOnlyBytes: 2000, bothBytes: 0, localOnlyBytes: 0 });
});
