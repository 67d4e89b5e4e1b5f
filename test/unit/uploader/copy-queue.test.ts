import { array, assert, integer, nat, property, record } from 'fast-check';
import { expect, test } from 'vitest';
import { topicId, type PartitionId } from '../../../src/segment/ids.ts';
import { CopyQueue, type QueuedCopy } from '../../../src/uploader/copy-queue.ts';

const topic = topicId('AAAAAAAAAAAAAAAAAAAAAA');

function id(partition: number): PartitionId {
  return { topicId: topic, partition };
}

function job(partition: number, startOffset: bigint, deadlineMs = Infinity): QueuedCopy {
  return { id: id(partition), startOffset, logBytes: 1, deadlineMs, queuedMs: 0 };
}

test('the partition whose local data goes soonest comes first, its oldest segment first', () => {
  const queue = new CopyQueue<QueuedCopy>(10);
  queue.replace(id(0), [job(0, 0n, 900)]);
  queue.replace(id(1), [job(1, 10n, 500), job(1, 0n, 400)]);
  expect([queue.take(), queue.take(), queue.take()]).toEqual([
    job(1, 0n, 400),
    job(0, 0n, 900),
    undefined,
  ]);
});

test('a partition has one copy in flight, and goes on when it is done', () => {
  const queue = new CopyQueue<QueuedCopy>(10);
  queue.replace(id(0), [job(0, 0n), job(0, 10n)]);
  const first = queue.take();
  expect(queue.take()).toBeUndefined();
  if (first !== undefined) queue.done(first);
  expect(queue.take()).toEqual(job(0, 10n));
});

test('offering again what is in flight does not queue it twice', () => {
  const queue = new CopyQueue<QueuedCopy>(10);
  queue.replace(id(0), [job(0, 0n)]);
  queue.take();
  expect(queue.replace(id(0), [job(0, 0n)])).toBe('known');
  expect(queue.size).toBe(0);
});

test('what does not fit is told and left out, oldest kept', () => {
  const queue = new CopyQueue<QueuedCopy>(2);
  expect(queue.replace(id(0), [job(0, 20n), job(0, 0n), job(0, 10n)])).toBe('full');
  expect(queue.isWaiting(id(0), 0n)).toBe(true);
  expect(queue.isWaiting(id(0), 20n)).toBe(false);
});

test('whoever waits for work wakes when work comes', async () => {
  const queue = new CopyQueue<QueuedCopy>(2);
  const woken = queue.changed(new AbortController().signal);
  queue.replace(id(0), [job(0, 0n)]);
  await expect(woken).resolves.toBeUndefined();
});

test('the queue never exceeds its limit, loses no offered work that fits, and gives each job once', () => {
  const jobs = array(record({ partition: nat(4), start: nat(20) }), { maxLength: 60 });
  assert(
    property(jobs, integer({ min: 1, max: 20 }), (offered, limit) => {
      const queue = new CopyQueue<QueuedCopy>(limit);
      const byPartition = new Map(
        [0, 1, 2, 3, 4].map((p) => [p, offered.filter(({ partition }) => partition === p)]),
      );
      for (const [partition, items] of byPartition) {
        const starts = new Set(items.map(({ start }) => BigInt(start)));
        queue.replace(
          id(partition),
          [...starts].map((start) => job(partition, start)),
        );
      }
      expect(queue.size).toBeLessThanOrEqual(limit);
      const size = queue.size;
      const taken = new Set<string>();
      for (let next = queue.take(); next !== undefined; next = queue.take()) {
        taken.add(`${next.id.partition}:${next.startOffset}`);
        queue.done(next);
      }
      expect(taken.size).toBe(size);
      expect(queue.size).toBe(0);
    }),
  );
});
