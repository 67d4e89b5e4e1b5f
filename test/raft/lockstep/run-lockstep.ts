// Our core and etcd's, step by step: the same seeded commands into both, all that can be seen compared.
import { type Command, commandLine } from './command.ts';
import { commandChooser } from './choose-command.ts';
import { Dice } from './dice.ts';
import { Group } from './group.ts';
import { drawSettings, type GroupSettings } from './group-settings.ts';
import type { Oracle } from './oracle.ts';

export interface Difference {
  readonly seed: number;
  /** From 1. */
  readonly step: number;
  readonly settings: GroupSettings;
  /** The last commands, the one that tells them apart at the end. */
  readonly commands: readonly string[];
  readonly ours: string;
  readonly theirs: string;
}

export interface Coverage {
  /** How often each kind of command was run. */
  readonly operations: ReadonlyMap<string, number>;
  /** How often each kind of trace event was seen. */
  readonly traced: ReadonlyMap<string, number>;
}

/** Several groups one after the other; what was seen over all of them. */
export class LockstepRun implements Coverage {
  readonly operations = new Map<string, number>();
  readonly traced = new Map<string, number>();
  /** Sum over all groups of the highest index committed. */
  committed = 0;
  readonly #oracle: Oracle;

  constructor(oracle: Oracle) {
    this.#oracle = oracle;
  }

  /** Undefined: no difference in `steps` steps. A core that refuses to go on is a difference too. */
  async group(seed: number, steps: number): Promise<Difference | undefined> {
    const dice = new Dice(seed);
    const settings = drawSettings(dice);
    const group = new Group(settings, this.traced);
    const choose = commandChooser(group, dice);
    await this.#oracle.ask([`new ${JSON.stringify(settings)}`]);
    await this.#oracle.answer();
    const story: Story = { seed, settings, commands: [] };
    let asked: Batch | undefined;
    for (let done = 0; done < steps || asked !== undefined; done += BATCH_STEPS) {
      const size = Math.max(0, Math.min(BATCH_STEPS, steps - done));
      const batch = this.#play(group, choose, { firstStep: done + 1, size });
      if (size > 0) await this.#oracle.ask(batch.commands.map(commandLine));
      const difference = asked === undefined ? undefined : await this.#compare(story, asked);
      if (difference !== undefined) {
        if (size > 0) await this.#oracle.answer();
        return difference;
      }
      asked = size > 0 ? batch : undefined;
    }
    this.committed += Math.max(...group.nodes.map(({ status }) => status.hardState.commit));
    return undefined;
  }

  #play(
    group: Group,
    choose: () => Command,
    part: { readonly firstStep: number; readonly size: number },
  ): Batch {
    const commands: Command[] = [];
    const answers: string[] = [];
    for (let at = 0; at < part.size; at++) {
      const command = choose();
      commands.push(command);
      answers.push(group.run(command));
      count(this.operations, command.operation);
    }
    return { firstStep: part.firstStep, commands, answers };
  }

  async #compare(story: Story, batch: Batch): Promise<Difference | undefined> {
    const theirs = await this.#oracle.answer();
    for (const [at, ours] of batch.answers.entries()) {
      const command = batch.commands[at];
      if (command !== undefined) story.commands.push(commandLine(command));
      const their = theirs[at] ?? 'no answer';
      if (ours === their && !ours.startsWith('panic')) continue;
      const { seed, settings } = story;
      const commands = story.commands.slice(-TOLD_COMMANDS);
      return { seed, settings, step: batch.firstStep + at, commands, ours, theirs: their };
    }
    story.commands.splice(0, story.commands.length - TOLD_COMMANDS);
    return undefined;
  }
}

/** Steps in one request: the oracle works on one while we work on the next. */
const BATCH_STEPS = 500;
const TOLD_COMMANDS = 20;

interface Batch {
  readonly firstStep: number;
  readonly commands: readonly Command[];
  readonly answers: readonly string[];
}

interface Story {
  readonly seed: number;
  readonly settings: GroupSettings;
  readonly commands: string[];
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** For a person: where, after what, and what each side says, field by field. */
export function tellDifference(difference: Difference): string {
  const { seed, step, settings, commands, ours, theirs } = difference;
  const lines = [
    `seed ${seed}, step ${step}: the cores differ`,
    `settings ${JSON.stringify(settings)}`,
    ...commands.map((command) => `  ${command}`),
  ];
  const names = ['result', 'hasReady', 'status', 'seen', 'logs'];
  const our = ours.split('|');
  const their = theirs.split('|');
  for (const [at, name] of names.entries()) {
    if (our[at] === their[at]) continue;
    lines.push(`${name} of ours:  ${our[at] ?? ''}`, `${name} of etcd's: ${their[at] ?? ''}`);
  }
  if (ours === theirs) lines.push(`both refuse to go on: ${ours}`);
  return lines.join('\n');
}
