// Membership changes, and how entries carry them.
//
// Layout: tagged fields, each written as a tag byte (field number << 3 | 0 for a varint, 2 for bytes) and
// a LEB128 varint, or a varint length and the bytes. All fields but an absent context are written, in
// this order, so that sizes agree with other cores that limit the same things.
//
//   confChange    { 2: type, 3: nodeId, 4: context }
//   confChangeV2  { 1: transition, 2: { 1: type, 2: nodeId } for each change, 3: context }
//
// No bytes at all are a confChangeV2 without changes: leave the joint configuration.
import { assert } from '../../base/assert.ts';
import type { EntryType } from './messages.ts';
import { FieldReader, fieldBytes, fieldNumber } from './tagged-fields.ts';

export type ConfChangeType = (typeof CHANGE_TYPES)[number];
export type ConfChangeTransition = (typeof TRANSITIONS)[number];

/** Place in the list is the number on disk. */
const CHANGE_TYPES = ['addNode', 'removeNode', 'updateNode', 'addLearnerNode'] as const;
const TRANSITIONS = ['auto', 'jointImplicit', 'jointExplicit'] as const;

export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly nodeId: number;
}

/** One change, taken without a joint configuration. */
export interface ConfChangeV1 {
  readonly version: 1;
  readonly type: ConfChangeType;
  readonly nodeId: number;
  readonly context?: Uint8Array | undefined;
}

/**
 * Any number of changes at once. `auto` goes through a joint configuration only for more than one change;
 * `jointImplicit` always, left by the leader itself; `jointExplicit` always, left by an empty change.
 */
export interface ConfChangeV2 {
  readonly version: 2;
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context?: Uint8Array | undefined;
}

export type ConfChange = ConfChangeV1 | ConfChangeV2;

export interface EncodedConfChange {
  readonly type: EntryType;
  readonly data: Uint8Array;
}

export function encodeConfChange(change: ConfChange): EncodedConfChange {
  const bytes: number[] = [];
  if (change.version === 1) {
    fieldNumber(bytes, 2, CHANGE_TYPES.indexOf(change.type));
    fieldNumber(bytes, 3, change.nodeId);
    if (change.context !== undefined) fieldBytes(bytes, 4, change.context);
    return { type: 'confChange', data: Uint8Array.from(bytes) };
  }
  fieldNumber(bytes, 1, TRANSITIONS.indexOf(change.transition));
  for (const single of change.changes) fieldBytes(bytes, 2, encodeSingle(single));
  if (change.context !== undefined) fieldBytes(bytes, 3, change.context);
  return { type: 'confChangeV2', data: Uint8Array.from(bytes) };
}

/** Undefined for a normal entry. Bytes of another layout are a bug of ours: only leaders append these. */
export function decodeConfChange(entry: EncodedConfChange): ConfChange | undefined {
  if (entry.type === 'normal') return undefined;
  return entry.type === 'confChange' ? decodeV1(entry.data) : decodeV2(entry.data);
}

export function asV2(change: ConfChange): ConfChangeV2 {
  if (change.version === 2) return change;
  const { type, nodeId, context } = change;
  return { version: 2, transition: 'auto', changes: [{ type, nodeId }], context };
}

function encodeSingle(single: ConfChangeSingle): number[] {
  const bytes: number[] = [];
  fieldNumber(bytes, 1, CHANGE_TYPES.indexOf(single.type));
  fieldNumber(bytes, 2, single.nodeId);
  return bytes;
}

function decodeV1(data: Uint8Array): ConfChangeV1 {
  const fields = new FieldReader(data);
  let type: ConfChangeType = 'addNode';
  let nodeId = 0;
  let context: Uint8Array | undefined;
  while (fields.next()) {
    if (fields.tag === 2) type = named(CHANGE_TYPES, fields.number());
    else if (fields.tag === 3) nodeId = fields.number();
    else if (fields.tag === 4) context = fields.bytes();
    else fields.skip();
  }
  return { version: 1, type, nodeId, context };
}

function decodeV2(data: Uint8Array): ConfChangeV2 {
  const fields = new FieldReader(data);
  let transition: ConfChangeTransition = 'auto';
  const changes: ConfChangeSingle[] = [];
  let context: Uint8Array | undefined;
  while (fields.next()) {
    if (fields.tag === 1) transition = named(TRANSITIONS, fields.number());
    else if (fields.tag === 2) changes.push(decodeSingle(fields.bytes()));
    else if (fields.tag === 3) context = fields.bytes();
    else fields.skip();
  }
  return { version: 2, transition, changes, context };
}

function decodeSingle(data: Uint8Array): ConfChangeSingle {
  const fields = new FieldReader(data);
  let type: ConfChangeType = 'addNode';
  let nodeId = 0;
  while (fields.next()) {
    if (fields.tag === 1) type = named(CHANGE_TYPES, fields.number());
    else if (fields.tag === 2) nodeId = fields.number();
    else fields.skip();
  }
  return { type, nodeId };
}

function named<Name extends string>(names: readonly Name[], place: number): Name {
  const name = names[place];
  assert(name !== undefined, `a conf change has no name ${place}`);
  return name;
}
