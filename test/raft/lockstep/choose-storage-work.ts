import type { Operation } from './command.ts';
import type { Draft } from './choose-command.ts';
import type { Dice } from './dice.ts';
import type { Group } from './group.ts';
import type { LockstepNode } from './lockstep-node.ts';

/** One step of what some node's owner has to do; in the asynchronous form in any legal order. */
export function chooseStorageWork(group: Group, dice: Dice): Draft | undefined {
  const start = dice.below(group.nodes.length);
  const inTurn = [...group.nodes.slice(start), ...group.nodes.slice(0, start)];
  for (const node of inTurn) {
    const open = group.settings.async ? asyncWork(node) : syncWork(node);
    const operation = dice.some(open);
    if (operation !== undefined) return { operation, node: node.id };
  }
  return undefined;
}

function syncWork(node: LockstepNode): readonly Operation[] {
  if (node.pending !== undefined) return [node.isPersisted ? 'advance' : 'persist'];
  return node.raw.hasReady() ? ['ready'] : [];
}

function asyncWork(node: LockstepNode): readonly Operation[] {
  const open: Operation[] = node.raw.hasReady() ? ['ready'] : [];
  if (node.appendWork.length > 0) open.push('append');
  if (node.applyWork.length > 0) open.push('apply');
  if (node.appendAcks.length > 0) open.push('ackappend');
  if (node.applyAcks.length > 0) open.push('ackapply');
  return open;
}
