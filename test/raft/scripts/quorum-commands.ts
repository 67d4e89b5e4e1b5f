// The directives of quorum/testdata/*.txt: what a majority, or two of them, have agreed on.
import {
  allVoters,
  committedIndex,
  type Voters,
  voteResult,
} from '../../../src/metastore/raft/quorum.ts';
import { NO_LIMIT } from '../../../src/metastore/raft/settings.ts';
import { hex } from '../describe.ts';
import type { Directive } from './script-file.ts';

const VOTE_NAMES = { won: 'VoteWon', lost: 'VoteLost', pending: 'VotePending' } as const;

type Indexes = ReadonlyMap<number, number>;

export function quorumScript(): (directive: Directive) => string {
  return (directive) => {
    const voters = numbers(directive, 'cfg');
    const second = valuesOf(directive, 'cfgj');
    const isJoint = second.length > 0;
    const votersOutgoing = second[0] === 'zero' ? [] : numbers(directive, 'cfgj');
    const config: Voters = { voters, votersOutgoing };
    const inputs = valuesOf(directive, directive.command === 'vote' ? 'votes' : 'idx');
    if (allVoters(config).length !== inputs.length) {
      return (
        `error: mismatched input (explicit or _) for voters map[` +
        `${allVoters(config)
          .map((id) => `${id}:{}`)
          .join(' ')}]: [${inputs.map(inputNumber).join(' ')}]`
      );
    }
    const given = givenTo(config, inputs);
    if (directive.command === 'vote') return votes(config, given, isJoint);
    return committed(
      config,
      new Map([...given].map(([id, value]) => [id, Number(value)])),
      isJoint,
    );
  };
}

/** Values go to the voters in the order the configurations name them, `_` to nobody. */
function givenTo(config: Voters, inputs: readonly string[]): ReadonlyMap<number, string> {
  const named = [...new Set([...config.voters, ...config.votersOutgoing])];
  const given = named.map((id, at): [number, string] => [id, inputs[at] ?? '_']);
  return new Map(given.filter(([, value]) => value !== '_'));
}

function votes(config: Voters, given: ReadonlyMap<number, string>, isJoint: boolean): string {
  const cast = new Map([...given].map(([id, value]) => [id, value === 'y']));
  const result = voteResult(config, cast);
  const swapped = voteResult(swap(config), cast);
  const other = isJoint && swapped !== result ? `${VOTE_NAMES[swapped]} <-- via symmetry\n` : '';
  return `${other}${VOTE_NAMES[result]}\n`;
}

function committed(config: Voters, indexes: Indexes, isJoint: boolean): string {
  const index = indexOf(config, indexes);
  const voters = isJoint ? allVoters(config) : config.voters;
  const doubts = isJoint ? jointDoubts(config, indexes) : majorityDoubts(config, indexes);
  return `${describe(voters, indexes)}${doubts}${indexName(index)}\n`;
}

/** Other ways to the same number; a script expects silence of them. */
function majorityDoubts(config: Voters, indexes: Indexes): string {
  const { voters } = config;
  const index = indexOf(config, indexes);
  let doubts = '';
  const expectSame = (other: number, way: string): void => {
    if (other !== index) doubts += `${indexName(other)} <-- ${way}\n`;
  };
  expectSame(byCounting(voters, indexes), 'via alternative computation');
  expectSame(indexOf({ voters, votersOutgoing: voters }, indexes), 'via self-joint quorum');
  for (const id of voters) {
    const own = indexes.get(id) ?? 0;
    if (index <= own || own === 0) continue;
    for (const lower of [own - 1, 0]) {
      const lowered = new Map([...indexes, [id, lower]]);
      expectSame(indexOf(config, lowered), `overlaying ${id}->${lower}`);
    }
  }
  return doubts;
}

function jointDoubts(config: Voters, indexes: Indexes): string {
  const swapped = indexOf(swap(config), indexes);
  return swapped === indexOf(config, indexes) ? '' : `${indexName(swapped)} <-- via symmetry\n`;
}

/** The highest index that more than half have reached, found by trying each. */
function byCounting(voters: readonly number[], indexes: Indexes): number {
  if (voters.length === 0) return NO_LIMIT;
  const reached = (index: number): number =>
    voters.filter((id) => (indexes.get(id) ?? 0) >= index).length;
  const candidates = voters.map((id) => indexes.get(id) ?? 0);
  return Math.max(0, ...candidates.filter((index) => reached(index) > voters.length / 2));
}

function indexOf(config: Voters, indexes: Indexes): number {
  return committedIndex(config, { ackedIndex: (id) => indexes.get(id) });
}

function describe(voters: readonly number[], indexes: Indexes): string {
  const count = voters.length;
  if (count === 0) return '<empty majority quorum>';
  const ascending = voters.toSorted((a, b) => a - b);
  let text = `${' '.repeat(count)}    idx\n`;
  for (const id of ascending) {
    const index = indexes.get(id);
    const lower = ascending.filter((other) => (indexes.get(other) ?? 0) < (index ?? 0)).length;
    const bar = `${'x'.repeat(lower)}>${' '.repeat(count - lower)}`;
    text += index === undefined ? `?${' '.repeat(count)}` : bar;
    text += ` ${String(index ?? 0).padStart(5)}    (id=${hex(id)})\n`;
  }
  return text;
}

function indexName(index: number): string {
  return index === NO_LIMIT ? '∞' : String(index);
}

function inputNumber(value: string): number {
  return { y: 2, n: 1, _: 0 }[value] ?? Number(value);
}

function swap({ voters, votersOutgoing }: Voters): Voters {
  return { voters: votersOutgoing, votersOutgoing: voters };
}

function valuesOf({ args }: Directive, key: string): readonly string[] {
  return args.filter((arg) => arg.key === key).flatMap(({ values }) => values);
}

/** `cfg=()` names nobody. */
function numbers(directive: Directive, key: string): readonly number[] {
  return valuesOf(directive, key)
    .filter((value) => value !== '')
    .map(Number);
}
