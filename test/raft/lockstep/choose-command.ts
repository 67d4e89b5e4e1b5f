// What happens next to a group: anything that a legal owner, network and disk could do, and nothing else.
import { decodeConfChange } from '../../../src/metastore/raft/conf-change.ts';
import type { Entry } from '../../../src/metastore/raft/messages.ts';
import type { Command, Operation } from './command.ts';
import { chooseConfChange } from './choose-conf-change.ts';
import { chooseStorageWork } from './choose-storage-work.ts';
import type { Dice } from './dice.ts';
import type { Group } from './group.ts';
import type { LockstepNode } from './lockstep-node.ts';

export type Draft = Partial<Omit<Command, 'operation'>> & { readonly operation: Operation };
type Choice = (group: Group, dice: Dice, weather: Weather) => Draft | undefined;

/** How things are for a while. */
export interface Weather {
  /** Nodes whose messages are lost, both ways. */
  readonly cutOff: ReadonlySet<number>;
  /** Of messages, when one is picked. */
  readonly loss: number;
  readonly doubling: number;
  /** 1: the oldest message goes first; less: any. */
  readonly order: number;
  /** The oldest go when there are more. */
  readonly maxMessages: number;
  readonly ticks: number;
  readonly proposals: number;
  readonly trouble: number;
}

const WEATHER_STEPS = 300;
const TRIES = 30;

/** Chooses for one group, one command after the other. */
export function commandChooser(group: Group, dice: Dice): () => Command {
  let steps = 0;
  let weather = drawWeather(group, dice);
  return () => {
    if (++steps % WEATHER_STEPS === 0) weather = drawWeather(group, dice);
    const draft = chooseDraft(group, dice, weather);
    const offset = dice.below(group.settings.electionTicks);
    return { node: 0, a: 0, b: 0, changes: [], ...draft, offset };
  };
}

function drawWeather(group: Group, dice: Dice): Weather {
  const isCalm = dice.chance(0.4);
  const cut = isCalm || dice.chance(0.5) ? [] : group.nodes.filter(() => dice.chance(0.3));
  return {
    cutOff: new Set(cut.map(({ id }) => id)),
    loss: isCalm ? 0 : dice.fraction() * 0.3,
    doubling: isCalm ? 0 : dice.fraction() * 0.2,
    order: isCalm ? 0.9 : dice.fraction(),
    maxMessages: dice.between(10, 200),
    ticks: isCalm ? 3 : dice.between(1, 16),
    proposals: dice.between(1, 10),
    trouble: dice.between(1, 8),
  };
}

function chooseDraft(group: Group, dice: Dice, weather: Weather): Draft {
  if (group.network.length > weather.maxMessages) return { operation: 'drop', a: 0 };
  const choices: readonly (readonly [weight: number, choice: Choice])[] = [
    [45, deliver],
    [40, (g, d) => chooseStorageWork(g, d)],
    [weather.ticks, tick],
    [weather.proposals, propose],
    [weather.trouble, trouble],
  ];
  const sum = choices.reduce((total, [weight]) => total + weight, 0);
  for (let tries = 0; tries < TRIES; tries++) {
    let at = dice.fraction() * sum;
    const picked = choices.find(([weight]) => (at -= weight) < 0);
    const draft = picked?.[1](group, dice, weather);
    if (draft !== undefined) return draft;
  }
  return tick(group, dice);
}

function deliver(group: Group, dice: Dice, weather: Weather): Draft | undefined {
  const { network } = group;
  const a = dice.chance(weather.order) ? 0 : dice.below(network.length);
  const message = network[a];
  if (message === undefined) return undefined;
  const isCut = weather.cutOff.has(message.from) || weather.cutOff.has(message.to);
  const target = group.nodes[message.to - 1];
  if (isCut || target === undefined || dice.chance(weather.loss)) return { operation: 'drop', a };
  if (message.type === 'MsgSnap' && isChangingMembership(target)) return undefined;
  return { operation: 'step', a, b: dice.chance(weather.doubling) ? 1 : 0 };
}

/** A snapshot brings a membership; changes already handed out would come on top of it. */
function isChangingMembership(node: LockstepNode): boolean {
  const inHand = node.pending?.committedEntries ?? [];
  return inHand.some(isChange) || node.applyWork.some(({ entries }) => entries.some(isChange));
}

function isChange(entry: Entry): boolean {
  return decodeConfChange(entry) !== undefined;
}

function tick(group: Group, dice: Dice): Draft {
  return { operation: 'tick', node: anyNode(group, dice) };
}

function propose(group: Group, dice: Dice): Draft {
  const a = dice.oneOf([0, 1, dice.below(20), dice.below(100), dice.below(100), dice.below(2000)]);
  const node = dice.chance(0.8) ? leaderOrAny(group, dice).id : anyNode(group, dice);
  return { operation: 'propose', node, a };
}

const troubles: readonly Choice[] = [
  chooseConfChange,
  chooseConfChange,
  (group, dice) => ({ operation: 'read', node: anyNode(group, dice), a: dice.between(1, 9) }),
  (group, dice) => ({ operation: 'read', node: anyNode(group, dice), a: dice.between(1, 9) }),
  (group, dice) => rarely(dice, { operation: 'transfer', ...pair(group, dice) }),
  (group, dice) => rarely(dice, { operation: 'forget', node: anyNode(group, dice) }),
  (group, dice) => rarely(dice, { operation: 'campaign', node: anyNode(group, dice) }),
  (group, dice) => rarely(dice, { operation: 'unreachable', ...pair(group, dice) }),
  (group, dice) => rarely(dice, { operation: 'local', ...pair(group, dice) }),
  (group, dice) => rarely(dice, { operation: 'stranger', node: anyNode(group, dice) }),
  reportSnapshot,
  makeSnapshot,
  makeSnapshot,
  compact,
  compact,
  compact,
  (group, dice) =>
    rarely(dice, { operation: 'avail', node: anyNode(group, dice), a: dice.chance(0.8) ? 1 : 0 }),
  restart,
];

function trouble(group: Group, dice: Dice, weather: Weather): Draft | undefined {
  return dice.some(troubles)?.(group, dice, weather);
}

function rarely(dice: Dice, draft: Draft): Draft | undefined {
  return dice.chance(0.3) ? draft : undefined;
}

function reportSnapshot(group: Group, dice: Dice): Draft | undefined {
  const waiting = group.nodes.flatMap(({ id, status }) =>
    [...status.progress]
      .filter(([, { state }]) => state === 'snapshot')
      .map(([peer]) => ({ node: id, a: peer })),
  );
  const b = dice.chance(0.4) ? 1 : 0;
  const about = dice.some(waiting) ?? (dice.chance(0.1) ? pair(group, dice) : undefined);
  return about === undefined ? undefined : { operation: 'snapstatus', ...about, b };
}

function makeSnapshot(group: Group, dice: Dice): Draft | undefined {
  const node = dice.chance(0.5) ? leaderOrAny(group, dice) : group.node(anyNode(group, dice));
  const { storage, applied, status } = node;
  const start = Math.max(storage.snapshotIndex() + 1, storage.firstIndex());
  const end = Math.min(applied, status.applied, storage.hardState.commit, storage.lastIndex()) + 1;
  if (start >= end) return undefined;
  return { operation: 'snapshot', node: node.id, a: dice.between(start, end) };
}

/** Never past what the core knows to be applied: it may still look at the entries above. */
function compact(group: Group, dice: Dice): Draft | undefined {
  const node = dice.chance(0.5) ? leaderOrAny(group, dice) : group.node(anyNode(group, dice));
  const { storage, status } = node;
  const start = storage.firstIndex();
  const end = Math.min(storage.snapshotIndex(), status.applied, storage.lastIndex()) + 1;
  if (start >= end) return undefined;
  return { operation: 'compact', node: node.id, a: dice.between(start, end) };
}

/** The state machine lost some of what it had applied, but nothing that the log cannot bring back. */
function restart(group: Group, dice: Dice): Draft | undefined {
  if (!dice.chance(0.3)) return undefined;
  const node = group.node(anyNode(group, dice));
  const start = node.firstRestart;
  const end = Math.max(start, Math.min(node.applied, node.storage.hardState.commit));
  return {
    operation: 'restart',
    node: node.id,
    a: dice.chance(0.5) ? end : dice.between(start, end + 1),
  };
}

function leaderOrAny(group: Group, dice: Dice): LockstepNode {
  const leaders = group.nodes.filter(({ status }) => status.role === 'leader');
  return dice.some(leaders) ?? group.node(anyNode(group, dice));
}

function anyNode(group: Group, dice: Dice): number {
  return 1 + dice.below(group.nodes.length);
}

function pair(group: Group, dice: Dice): { readonly node: number; readonly a: number } {
  return { node: anyNode(group, dice), a: anyNode(group, dice) };
}
