// What happens to the members meanwhile: one after the other is killed, or stands still.
import { vi } from 'vitest';
import { pauseMs } from '../support/testbeds/processes.ts';
import type { RoleProcess } from '../support/sidecar-process.ts';
import type { Clients } from './clients.ts';

export type Victim = Pick<RoleProcess, 'kill' | 'restart'>;

/** Longer than an impatient client waits. */
const STANDSTILL_MS = 600;
/** Operations that end before the next trouble. */
const ANSWERS_BETWEEN = 150;
const PROGRESS = { timeout: 240_000, interval: 5 };

/** Standstills and kills in turn; every member serves again at the end. */
export async function trouble(
  clients: Clients,
  victims: readonly Victim[],
  rounds: number,
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await untilAnswers(clients);
    const victim = victims[clients.draw(victims.length)];
    if (victim === undefined) throw new Error('nobody to kill');
    if (round % 2 === 0) await stoodStill(victim);
    else await killed(victim);
  }
  await untilAnswers(clients);
}

async function untilAnswers({ history }: Clients): Promise<void> {
  const enough = history.lines.length + ANSWERS_BETWEEN;
  await vi.waitUntil(() => history.lines.length >= enough, PROGRESS);
}

async function killed(victim: Victim): Promise<void> {
  await victim.kill('SIGKILL');
  await victim.restart();
}

async function stoodStill(victim: Victim): Promise<void> {
  await victim.kill('SIGSTOP');
  try {
    await pauseMs(STANDSTILL_MS);
  } finally {
    await victim.kill('SIGCONT');
  }
}
