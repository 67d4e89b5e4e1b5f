// Membership changes that a careful operator could ask for: none may leave the group without voters.
import type { ConfChangeSingle } from '../../../src/metastore/raft/conf-change.ts';
import { CHANGE_KINDS } from './command.ts';
import type { Draft } from './choose-command.ts';
import type { Dice } from './dice.ts';
import type { Group } from './group.ts';

const MAX_CHANGES = 4;

export function chooseConfChange(group: Group, dice: Dice): Draft | undefined {
  const b = dice.chance(0.2) ? dice.between(1, 30) : 0;
  const leader = dice.some(group.nodes.filter(({ status }) => status.role === 'leader'));
  if (leader === undefined || dice.chance(0.1)) {
    // On its way to the leader nobody can tell what it will meet there: one more voter is always legal.
    const node = 1 + dice.below(group.nodes.length);
    const changes = [{ type: 'addNode', nodeId: anyId(group, dice) } as const];
    return { operation: 'conf', node, a: dice.oneOf([0, 3]), b, changes };
  }
  const { config } = leader.status;
  const node = leader.id;
  if (dice.chance(config.votersOutgoing.length > 0 ? 0.7 : 0.05)) {
    return { operation: 'conf', node, a: CHANGE_KINDS.indexOf('leave') };
  }
  const kind = dice.below(CHANGE_KINDS.indexOf('leave'));
  const count = kind === CHANGE_KINDS.indexOf('v1') ? 1 : dice.between(1, MAX_CHANGES);
  const changes = Array.from({ length: count }, () => anyChange(group, dice));
  const left = votersAfter(config.voters, changes);
  return left === 0 ? undefined : { operation: 'conf', node, a: kind, b, changes };
}

function anyChange(group: Group, dice: Dice): ConfChangeSingle {
  const type = dice.oneOf([
    'addNode',
    'addNode',
    'addNode',
    'removeNode',
    'removeNode',
    'addLearnerNode',
    'addLearnerNode',
    'updateNode',
  ] as const);
  return { type, nodeId: anyId(group, dice) };
}

function anyId(group: Group, dice: Dice): number {
  return 1 + dice.below(group.nodes.length);
}

/** A leader refuses a change while another may be in force, so its own membership is the base. */
function votersAfter(voters: readonly number[], changes: readonly ConfChangeSingle[]): number {
  const left = new Set(voters);
  for (const { type, nodeId } of changes) {
    if (type === 'addNode') left.add(nodeId);
    else if (type !== 'updateNode') left.delete(nodeId);
  }
  return left.size;
}
