import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ConfChangeSingle } from '../../../../src/metastore/raft/conf-change.ts';
import type { Membership } from '../../../../src/metastore/raft/membership-draft.ts';
import {
  type Changed,
  changeMembership,
  enterJoint,
  leaveJoint,
  restoreMembership,
  simpleChange,
} from '../../../../src/metastore/raft/membership.ts';
import type { ConfState } from '../../../../src/metastore/raft/messages.ts';
import { EMPTY_CONFIG } from '../../../../src/metastore/raft/tracker.ts';
import { voters } from '../../../support/raft-world.ts';

const newcomers = { lastIndex: 10, maxInflightMessages: 4, maxInflightBytes: 1000 };

const change: fc.Arbitrary<ConfChangeSingle> = fc.record({
  type: fc.constantFrom('addNode', 'removeNode', 'updateNode', 'addLearnerNode'),
  nodeId: fc.integer({ min: 0, max: 6 }),
});
const changes = fc.array(change, { maxLength: 6 });

function remove(nodeId: number): ConfChangeSingle {
  return { type: 'removeNode', nodeId };
}

function add(nodeId: number): ConfChangeSingle {
  return { type: 'addNode', nodeId };
}

function taken(changed: Changed): Membership {
  if ('refused' in changed) throw new Error(changed.refused);
  return changed;
}

function start(config: ConfState): Membership {
  return restoreMembership(newcomers, config);
}

function views({ config, progress }: Membership) {
  const each = [...progress].toSorted(([a], [b]) => a - b);
  return { config, progress: each.map(([id, one]) => [id, one.view()]) };
}

/** One after the other, leaving out what a simple step refuses. */
function oneByOne(from: Membership, list: readonly ConfChangeSingle[]): Membership {
  return list.reduce<Membership>((current, each) => {
    const changed = simpleChange(current, newcomers, [each]);
    return 'refused' in changed ? current : changed;
  }, from);
}

test('going through a joint configuration ends where the single steps end', () => {
  fc.assert(
    fc.property(changes, changes, (before, list) => {
      const from = oneByOne(start(voters(1, 2, 3)), before);
      const entered = enterJoint(from, newcomers, { changes: list, autoLeave: false });
      const steps: Membership[] = [from];
      for (const each of list) {
        const step = simpleChange(steps.at(-1) ?? from, newcomers, [each]);
        // A step that empties the group in between has no counterpart.
        if ('refused' in step) return;
        steps.push(step);
      }
      const left = taken(leaveJoint(taken(entered), newcomers));
      expect(views(left)).toEqual(views(steps.at(-1) ?? from));
    }),
  );
});

test('bug 2: a simple change moves at most one voter, so quorums before and after overlap', () => {
  fc.assert(
    fc.property(changes, changes, (before, list) => {
      const from = oneByOne(start(voters(1, 2, 3)), before);
      const changed = simpleChange(from, newcomers, list);
      if ('refused' in changed) return;
      const old = new Set(from.config.voters);
      const next = new Set(changed.config.voters);
      const moved = [...old, ...next].filter((id) => old.has(id) !== next.has(id));
      expect(moved.length).toBeLessThanOrEqual(1);
    }),
  );
});

test('what was saved is restored, in and out of a joint configuration', () => {
  fc.assert(
    fc.property(changes, changes, fc.boolean(), (before, list, autoLeave) => {
      const from = oneByOne(start(voters(1, 2, 3)), before);
      expect(start(from.config).config).toEqual(from.config);
      const entered = enterJoint(from, newcomers, { changes: list, autoLeave });
      if ('refused' in entered) return;
      expect(start(entered.config).config).toEqual(entered.config);
    }),
  );
});

test('a voter that becomes a learner goes on voting until the joint configuration is left', () => {
  const demote: ConfChangeSingle = { type: 'addLearnerNode', nodeId: 3 };
  const joint = taken(
    enterJoint(start(voters(1, 2, 3)), newcomers, { changes: [demote], autoLeave: true }),
  );
  expect(joint.config).toEqual({
    voters: [1, 2],
    learners: [],
    votersOutgoing: [1, 2, 3],
    learnersNext: [3],
    autoLeave: true,
  });
  const left = taken(leaveJoint(joint, newcomers));
  expect(left.config).toEqual({ ...voters(1, 2), learners: [3] });
  expect(left.progress.get(3)?.isLearner).toBe(true);
});

test('changes that would leave nobody to decide, or two who decide alone, are refused', () => {
  const three = start(voters(1, 2, 3));
  const joint = taken(enterJoint(three, newcomers, { changes: [], autoLeave: false }));
  const none = start(EMPTY_CONFIG);
  const refusals = [
    simpleChange(three, newcomers, [remove(1), remove(2)]),
    simpleChange(start(voters(1)), newcomers, [remove(1)]),
    simpleChange(joint, newcomers, []),
    enterJoint(joint, newcomers, { changes: [], autoLeave: false }),
    enterJoint(none, newcomers, { changes: [], autoLeave: false }),
    enterJoint(start(voters(1)), newcomers, { changes: [remove(1)], autoLeave: false }),
    leaveJoint(three, newcomers),
  ];
  expect(refusals).toEqual([
    { refused: 'severalVotersChanged' },
    { refused: 'removedAllVoters' },
    { refused: 'simpleWhileJoint' },
    { refused: 'alreadyJoint' },
    { refused: 'noVotersToJoin' },
    { refused: 'removedAllVoters' },
    { refused: 'notJoint' },
  ]);
});

type Transition = 'auto' | 'jointImplicit' | 'jointExplicit';

/** The configuration after voters are added to node 1. */
function after(transition: Transition, ids: readonly number[]): ConfState {
  const request = { version: 2, transition, changes: ids.map((id) => add(id)) } as const;
  return taken(changeMembership(start(voters(1)), newcomers, request)).config;
}

test('the transition of a change says whether it goes through a joint configuration', () => {
  const joint = { voters: [1, 2, 3], learners: [], votersOutgoing: [1], learnersNext: [] };
  expect(after('auto', [2])).toEqual(voters(1, 2));
  expect(after('auto', [2, 3])).toEqual({ ...joint, autoLeave: true });
  expect(after('jointImplicit', [2, 3])).toEqual({ ...joint, autoLeave: true });
  expect(after('jointExplicit', [2, 3])).toEqual({ ...joint, autoLeave: false });
});
