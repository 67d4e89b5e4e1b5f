// `logtier doctor`: all checks at once, each bounded, none able to take the others down.
import { setMaxListeners } from 'node:events';
import { AssertionFailure } from '../base/assert.ts';
import type { DiagnoseResponse, Diagnosis } from '../gen/logtier/v1/operator.ts';
import { untilAborted } from '../cache/until-aborted.ts';
import { throwIfAborted } from '../platform/clock.ts';
import { brokerChecks, type BrokerCheckDeps } from './checks/broker-checks.ts';
import { catalogChecks, type CatalogCheckDeps } from './checks/catalog-checks.ts';
import { hostChecks, type HostCheckDeps, type HostCheckSettings } from './checks/host-checks.ts';
import { storeChecks, type StoreCheckDeps } from './checks/store-checks.ts';
import { topicChecks, type TopicCheckDeps } from './checks/topic-checks.ts';
import { failed, type Check } from './diagnosis.ts';

export type DiagnoseDeps = BrokerCheckDeps &
  CatalogCheckDeps &
  HostCheckDeps &
  StoreCheckDeps &
  TopicCheckDeps;

export interface DiagnoseSettings extends HostCheckSettings {
  /** Longest wait for all checks together; below the caller's patience. */
  readonly checkMs: number;
  readonly headroomAlarmMs: number;
  readonly freshMs: number;
}

/** Failures first, then warnings. */
const ORDER = ['fail', 'warn', 'ok'];

export async function diagnose(
  deps: DiagnoseDeps,
  settings: DiagnoseSettings,
  signal: AbortSignal,
): Promise<DiagnoseResponse> {
  const { clock } = deps;
  const checks = [
    ...brokerChecks(deps),
    ...hostChecks(deps, settings),
    ...catalogChecks(deps, settings),
    ...storeChecks(deps),
    ...topicChecks(deps, settings),
  ];
  const deadline = clock.deadline(settings.checkMs, signal);
  // Every check listens to it, and to each of its own questions.
  setMaxListeners(0, deadline.signal);
  try {
    const answers = await Promise.all(checks.map((check) => runCheck(check, deadline.signal)));
    throwIfAborted(signal);
    return { checks: answers.flat().toSorted((left, right) => rank(left) - rank(right)) };
  } finally {
    deadline.clear();
  }
}

function rank({ outcome }: Diagnosis): number {
  return ORDER.indexOf(outcome);
}

async function runCheck(check: Check, signal: AbortSignal): Promise<readonly Diagnosis[]> {
  try {
    return await untilAborted(check.run(signal), signal);
  } catch (error) {
    if (error instanceof AssertionFailure) throw error;
    return [failed(check.name, 'it could not be checked', error, 'ask again; see the log')];
  }
}
