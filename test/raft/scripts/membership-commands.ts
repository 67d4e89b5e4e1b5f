// The directives of confchange/testdata/*.txt: from one membership to the next.
import {
  type Changed,
  enterJoint,
  leaveJoint,
  type MembershipRefusal,
  simpleChange,
} from '../../../src/metastore/raft/membership.ts';
import type { Membership } from '../../../src/metastore/raft/membership-draft.ts';
import { NO_LIMIT } from '../../../src/metastore/raft/settings.ts';
import { EMPTY_CONFIG } from '../../../src/metastore/raft/tracker.ts';
import { describeConfig, describeProgress } from '../describe.ts';
import { parseChanges } from './interaction-commands.ts';
import type { Directive } from './script-file.ts';

const REFUSALS: Readonly<Record<MembershipRefusal, string>> = {
  alreadyJoint: 'config is already joint',
  noVotersToJoin: "can't make a zero-voter config joint",
  notJoint: "can't leave a non-joint config",
  simpleWhileJoint: "can't apply simple config change in joint config",
  removedAllVoters: 'removed all voters',
  severalVotersChanged: 'more than one voter changed without entering joint config',
};

/** The log grows by one entry with each directive. */
export function membershipScript(): (directive: Directive) => string {
  let current: Membership = { config: EMPTY_CONFIG, progress: new Map() };
  let lastIndex = 0;
  return (directive) => {
    const newcomers = { lastIndex, maxInflightMessages: 10, maxInflightBytes: NO_LIMIT };
    lastIndex++;
    const changed = change(directive, current, newcomers);
    if ('refused' in changed) return `${REFUSALS[changed.refused]}\n`;
    current = changed;
    const ids = [...changed.progress.keys()].toSorted((a, b) => a - b);
    const lines = ids.map((id) => {
      const progress = changed.progress.get(id);
      return progress === undefined ? '' : `${id}: ${describeProgress(progress.view())}\n`;
    });
    return `${describeConfig(changed.config)}\n${lines.join('')}`;
  };
}

function change(
  { command, args, input }: Directive,
  current: Membership,
  newcomers: Parameters<typeof leaveJoint>[1],
): Changed {
  const changes = parseChanges(input);
  if (command === 'simple') return simpleChange(current, newcomers, changes);
  if (command === 'leave-joint') return leaveJoint(current, newcomers);
  if (command !== 'enter-joint') throw new Error(`unknown command ${command}`);
  const autoLeave = args.some(({ key, values }) => key === 'autoleave' && values[0] === 'true');
  return enterJoint(current, newcomers, { changes, autoLeave });
}
