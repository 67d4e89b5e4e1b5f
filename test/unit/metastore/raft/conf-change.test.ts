import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type ConfChange,
  decodeConfChange,
  encodeConfChange,
} from '../../../../src/metastore/raft/conf-change.ts';
import { entryBytes } from '../../../../src/metastore/raft/entry-size.ts';
import { entryOf } from '../../../support/raft-world.ts';

const single = fc.record({
  type: fc.constantFrom('addNode', 'removeNode', 'updateNode', 'addLearnerNode'),
  nodeId: fc.maxSafeNat(),
});
const context = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined });
const anyChange: fc.Arbitrary<ConfChange> = fc.oneof(
  fc
    .tuple(single, context)
    .map(([one, bytes]) => ({ version: 1 as const, ...one, context: bytes })),
  fc.record({
    version: fc.constant(2 as const),
    transition: fc.constantFrom('auto', 'jointImplicit', 'jointExplicit'),
    changes: fc.array(single, { maxLength: 20 }),
    context,
  }),
);

test('a conf change comes back from its bytes as it was', () => {
  fc.assert(
    fc.property(anyChange, (one) => {
      expect(decodeConfChange(encodeConfChange(one))).toEqual(one);
    }),
  );
});

test('the bytes of a conf change are tagged fields in a fixed order', () => {
  const v1 = encodeConfChange({ version: 1, type: 'addLearnerNode', nodeId: 300 });
  expect(v1).toEqual({ type: 'confChange', data: Uint8Array.of(0x10, 3, 0x18, 0xac, 2) });
  const v2 = encodeConfChange({
    version: 2,
    transition: 'jointExplicit',
    changes: [{ type: 'removeNode', nodeId: 7 }],
    context: Uint8Array.of(9),
  });
  const data = Uint8Array.of(0x08, 2, 0x12, 4, 0x08, 1, 0x10, 7, 0x1a, 1, 9);
  expect(v2).toEqual({ type: 'confChangeV2', data });
});

test('no bytes at all leave a joint configuration, and a normal entry is no change', () => {
  const nothing = new Uint8Array(0);
  const leave = { version: 2, transition: 'auto', changes: [], context: undefined };
  expect(decodeConfChange({ type: 'confChangeV2', data: nothing })).toEqual(leave);
  expect(decodeConfChange({ type: 'normal', data: Uint8Array.of(1) })).toBeUndefined();
});

test('entries weigh what their protobuf encoding weighs', () => {
  expect(entryBytes(entryOf(1, 1))).toBe(4);
  expect(entryBytes(entryOf(127, 128))).toBe(5);
  expect(entryBytes(entryOf(1, 1, new Uint8Array(200)))).toBe(4 + 1 + 2 + 200);
  const change = { ...entryOf(1, 2 ** 35), type: 'confChangeV2' as const };
  expect(entryBytes(change)).toBe(2 + 1 + 6 + 2);
});
