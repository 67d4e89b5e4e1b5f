// The directives of testdata/*.txt: what groups of nodes do to each other.
import type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
} from '../../../src/metastore/raft/conf-change.ts';
import type { Message } from '../../../src/metastore/raft/messages.ts';
import { NO_LIMIT, type RaftSettings } from '../../../src/metastore/raft/settings.ts';
import { allVoters } from '../../../src/metastore/raft/quorum.ts';
import { EMPTY_CONFIG } from '../../../src/metastore/raft/tracker.ts';
import { describeMessage, describeProgress, ROLE_NAMES } from '../describe.ts';
import { InteractionGroup, throwRefusal } from './interaction-group.ts';
import type { Argument, Directive } from './script-file.ts';

type Command = (group: InteractionGroup, directive: Directive) => void;

/** Runs the directives of one file, in order, on one group; each gives the text it leads to. */
export function interactionScript(): (directive: Directive) => string {
  const group = new InteractionGroup();
  return (directive) => {
    group.output.take();
    let failure = '';
    try {
      const command = commands[directive.command];
      if (command === undefined) throw new Error('unknown command');
      command(group, directive);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    const text = group.output.take() + failure;
    return text === '' ? 'ok' : text;
  };
}

const commands: Readonly<Record<string, Command>> = {
  _breakpoint: () => {},
  'add-nodes': addNodes,
  campaign: (group, d) => group.node(firstId(d)).raw.campaign(),
  compact: (group, d) => {
    const refusal = group.node(firstId(d)).storage.compact(Number(d.args[1]?.key));
    if (refusal !== undefined) throw new Error(refusal);
    group.writeLog(firstId(d));
  },
  'deliver-msgs': deliverMessages,
  'process-ready': eachNode('handling Ready', (group, id) => group.processReady(id)),
  'process-append-thread': eachNode('processing append thread', (group, id) =>
    group.processAppend(id),
  ),
  'process-apply-thread': eachNode('processing apply thread', (group, id) =>
    group.processApply(id),
  ),
  'log-level': (group, d) => group.output.setLevel(d.args[0]?.key ?? ''),
  'raft-log': (group, d) => group.writeLog(firstId(d)),
  'raft-state': writeStates,
  'set-randomized-election-timeout': (group, d) =>
    group.node(firstId(d)).raw.setRandomizedElectionTimeout(numberOf(d, 'timeout')),
  stabilize,
  status: writeStatus,
  'tick-election': (group, d) => tick(group, firstId(d), 'electionTicks'),
  'tick-heartbeat': (group, d) => tick(group, firstId(d), 'heartbeatTicks'),
  'transfer-leadership': (group, d) =>
    group.node(numberOf(d, 'from')).raw.transferLeader(numberOf(d, 'to')),
  'forget-leader': (group, d) => group.node(firstId(d)).raw.forgetLeader(),
  'send-snapshot': sendSnapshot,
  propose: (group, d) =>
    throwRefusal(group.node(firstId(d)).raw.propose(Buffer.from(d.args[1]?.key ?? ''))),
  'propose-conf-change': proposeConfChange,
  'report-unreachable': (group, d) => {
    const [on = 0, peer = 0] = ids(d);
    group.node(on).raw.reportUnreachable(peer);
  },
};

const BASE_SETTINGS: Omit<RaftSettings, 'id'> = {
  electionTicks: 3,
  heartbeatTicks: 1,
  applied: 0,
  asyncStorageWrites: false,
  maxMessageBytes: NO_LIMIT,
  maxCommittedBytesPerReady: NO_LIMIT,
  maxUncommittedBytes: NO_LIMIT,
  maxInflightMessages: 2 ** 31 - 1,
  maxInflightBytes: NO_LIMIT,
  checkQuorum: false,
  preVote: false,
  readMode: 'safe',
  forwardsProposals: true,
  checksConfChanges: true,
  stepsDownOnRemoval: false,
};

function addNodes(group: InteractionGroup, directive: Directive): void {
  const [count, ...args] = directive.args;
  const index = numberOf(directive, 'index', 0);
  const voters = numbersOf(args, 'voters');
  const learners = numbersOf(args, 'learners');
  const content = args.find(({ key }) => key === 'content')?.values[0] ?? '';
  const isBootstrap = index > 0 || voters.length + learners.length > 0 || content !== '';
  if (isBootstrap && index <= 1) {
    throw new Error('index must be specified as > 1 due to bootstrap');
  }
  const is = (key: string): boolean => args.some((arg) => arg.key === key && isTrue(arg));
  const readMode = args.find(({ key }) => key === 'read-only')?.values[0] ?? 'safe';
  const settings: Omit<RaftSettings, 'id'> = {
    ...BASE_SETTINGS,
    applied: index,
    maxInflightMessages: numberOf(directive, 'inflight', BASE_SETTINGS.maxInflightMessages),
    asyncStorageWrites: is('async-storage-writes'),
    preVote: is('prevote'),
    checkQuorum: is('checkquorum'),
    maxCommittedBytesPerReady: numberOf(directive, 'max-committed-size-per-ready', NO_LIMIT),
    checksConfChanges: !is('disable-conf-change-validation'),
    readMode: readMode === 'safe' ? 'safe' : 'leaseBased',
    stepsDownOnRemoval: is('step-down-on-removal'),
  };
  const confState = { ...EMPTY_CONFIG, voters, learners };
  const data = Buffer.from(content);
  group.addNodes(Number(count?.key), settings, {
    index,
    term: isBootstrap ? 1 : 0,
    confState,
    data,
  });
}

function deliverMessages(group: InteractionGroup, { args }: Directive): void {
  const kept = args.filter(({ values }) => values.length === 0).map(({ key }) => Number(key));
  const dropped = numbersOf(args, 'drop');
  const type = args.find(({ key }) => key === 'type')?.values[0];
  const count = group.deliver(type, [
    ...kept.map((id) => ({ id, isDropped: false })),
    ...dropped.map((id) => ({ id, isDropped: true })),
  ]);
  if (count === 0) group.output.write('no messages\n');
}

function eachNode(title: string, work: (group: InteractionGroup, id: number) => void): Command {
  return (group, directive) => {
    const those = ids(directive);
    for (const id of those) {
      if (those.length === 1) work(group, id);
      else {
        group.output.write(`> ${id} ${title}\n`);
        group.output.indented(() => work(group, id));
      }
    }
  };
}

function stabilize(group: InteractionGroup, directive: Directive): void {
  const { output } = group;
  const before = output.level;
  const level = directive.args.find(({ key }) => key === 'log-level')?.values[0];
  if (level !== undefined) output.setLevel(level);
  const some = ids(directive);
  group.stabilize(some.length > 0 ? some : group.nodes.map((_, at) => at + 1));
  output.level = before;
}

function writeStates(group: InteractionGroup): void {
  for (const { raw } of group.nodes) {
    const { id, role, config, hardState, lead } = raw.status();
    const voter = allVoters(config).includes(id) ? '(Voter)' : '(Non-Voter)';
    group.output.write(`${id}: ${ROLE_NAMES[role]} ${voter} Term:${hardState.term} Lead:${lead}\n`);
  }
}

function writeStatus(group: InteractionGroup, directive: Directive): void {
  for (const [id, progress] of group.node(firstId(directive)).raw.status().progress) {
    group.output.write(`${id}: ${describeProgress(progress)}\n`);
  }
}

function tick(
  group: InteractionGroup,
  id: number,
  interval: 'electionTicks' | 'heartbeatTicks',
): void {
  const { raw, settings } = group.node(id);
  for (let ticks = 0; ticks < settings[interval]; ticks++) raw.tick();
}

function sendSnapshot(group: InteractionGroup, directive: Directive): void {
  const [from = 0, to = 0] = ids(directive);
  const { storage, raw } = group.node(from);
  const message: Message = {
    type: 'MsgSnap',
    term: raw.basicStatus().hardState.term,
    from,
    to,
    snapshot: storage.snapshot(),
    logTerm: 0,
    index: 0,
    entries: [],
    commit: 0,
    vote: 0,
    reject: false,
    rejectHint: 0,
  };
  group.send(message);
  group.output.write(describeMessage(message));
}

function proposeConfChange(group: InteractionGroup, directive: Directive): void {
  const changes = parseChanges(directive.input);
  const isV1 = directive.args.some((arg) => arg.key === 'v1' && isTrue(arg));
  const named = directive.args.find(({ key }) => key === 'transition')?.values[0] ?? 'auto';
  const [first] = changes;
  if (isV1 && (changes.length !== 1 || named !== 'auto')) {
    throw new Error('v1 conf change can only have one operation and no transition');
  }
  const change: ConfChange =
    isV1 && first !== undefined
      ? { version: 1, ...first }
      : { version: 2, transition: TRANSITIONS[named] ?? 'auto', changes };
  throwRefusal(group.node(firstId(directive)).raw.proposeConfChange(change));
}

const TRANSITIONS: Readonly<Record<string, ConfChangeTransition>> = {
  auto: 'auto',
  implicit: 'jointImplicit',
  explicit: 'jointExplicit',
};

const CHANGES: Readonly<Record<string, ConfChangeType>> = {
  v: 'addNode',
  l: 'addLearnerNode',
  r: 'removeNode',
  u: 'updateNode',
};

/** `v1 l2 r3 u4`: node 1 becomes a voter, 2 a learner, 3 leaves, of 4 nothing changes. */
export function parseChanges(text: string): readonly ConfChangeSingle[] {
  const words = text.split(' ').filter((word) => word !== '');
  return words.map((word) => {
    const type = CHANGES[word.slice(0, 1)];
    if (type === undefined) throw new Error(`unknown input: ${word}`);
    return { type, nodeId: Number(word.slice(1)) };
  });
}

function isTrue({ values }: Argument): boolean {
  return values[0] === 'true';
}

function ids({ args }: Directive): readonly number[] {
  return args.filter(({ values }) => values.length === 0).map(({ key }) => Number(key));
}

function firstId({ args }: Directive): number {
  return Number(args[0]?.key);
}

function numbersOf(args: readonly Argument[], key: string): readonly number[] {
  return args.filter((arg) => arg.key === key).flatMap(({ values }) => values.map(Number));
}

function numberOf({ args }: Directive, key: string, otherwise?: number): number {
  const number = numbersOf(args, key)[0] ?? otherwise;
  if (number === undefined) throw new Error(`${key} is missing`);
  return number;
}
