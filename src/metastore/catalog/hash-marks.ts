// Members compare themselves: at the same indexes each notes its hash chain, and the leader's note travels
// in an entry. The chain covers all entries before, so that the newest note alone is compared.
import { LogtierError } from '../../base/errors.ts';
import type { CatalogState, CheckHash, HashMark } from '../../gen/logtier/v1/catalog_command.ts';
import type { CommandContext } from './context.ts';
import { done, type Outcome, refuse } from './outcome.ts';

const MARK_EVERY = 1_000n;

/** Also early in a log: a member that began from other content is found out before it answers much. */
const EARLY_MARKS: readonly bigint[] = [10n, 100n];

/** More entries than may wait for the log between a note and the entry that carries it. */
const KEPT_MARKS = 16;

/** Adds the note that is due at the state's index. */
export function withMark(state: CatalogState): CatalogState {
  const { appliedIndex, hash } = state;
  const isDue = appliedIndex % MARK_EVERY === 0n || EARLY_MARKS.includes(appliedIndex);
  if (!isDue) return state;
  return {
    ...state,
    hashMarks: [...state.hashMarks, { index: appliedIndex, hash }].slice(-KEPT_MARKS),
  };
}

export function newestMark(state: CatalogState): HashMark | undefined {
  return state.hashMarks.at(-1);
}

/**
 * Throws CORRUPT_STATE, which ends this member and writes nothing, when the proposer had another content.
 * Says nothing about an index whose note is gone.
 */
export function checkHash(context: CommandContext, { mark }: CheckHash): Promise<Outcome> {
  if (context.clientId !== 0n) {
    return Promise.resolve(refuse('INVALID_ARGUMENT', 'only a member compares members'));
  }
  const own = context.state.hashMarks.find(({ index }) => index === mark?.index);
  if (own !== undefined && mark !== undefined && own.hash !== mark.hash)
    throw divergence(own, mark);
  return Promise.resolve(done());
}

function divergence(own: HashMark, leaders: HashMark): LogtierError {
  const [here, there] = [own.hash, leaders.hash].map((hash) => hash.toString(16).padStart(8, '0'));
  return new LogtierError(
    'CORRUPT_STATE',
    `at entry ${own.index} the catalog's hash is ${here} here, ${there} at the leader`,
    {
      hint: 'this member holds another catalog than its group: wipe its directory and let it join anew',
      details: { index: own.index, own: own.hash, leaders: leaders.hash },
    },
  );
}
