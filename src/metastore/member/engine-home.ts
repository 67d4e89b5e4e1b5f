// Where a member's engine lives, and how another content takes its place: filled beside it, made durable,
// then named by one rename. A crash leaves the old engine or the new one, each whole.
import { LogtierError } from '../../base/errors.ts';
import { diskError, type Disk } from '../../platform/disk.ts';
import type { Logger } from '../../platform/log.ts';
import type { KvEngine } from '../engine/kv-engine.ts';
import type { LogIndex } from '../log/replicated-log.ts';
import {
  currentEngineName,
  indexOfInstall,
  leftoverEngines,
  nameInstalledAt,
  pointTo,
} from './current-engine.ts';
import { removeTree } from './remove-tree.ts';
import { SwitchingEngine } from './switching-engine.ts';

export interface EngineHomeDeps {
  readonly disk: Disk;
  readonly logger: Logger;
  /** Opens or makes the engine of a directory; ALREADY_RUNNING when it is open elsewhere. */
  openEngine(directory: string): Promise<KvEngine>;
}

export interface EngineHome {
  /** Stays the same object when its content is replaced. */
  readonly engine: KvEngine;
  /** The snapshot that the engine began with; 0 when it began with the log. */
  readonly installedAt: LogIndex;
  /**
   * Fills an empty engine, makes it durable and puts it in the place of the present one, whose readers end
   * with METASTORE_UNAVAILABLE. When `fill` fails, all is as before. No batch may be under way.
   */
  replace(index: LogIndex, fill: (engine: KvEngine) => Promise<void>): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** `directory` exists. Removes what an install left behind that did not come to its end. */
export async function openEngineHome(deps: EngineHomeDeps, directory: string): Promise<EngineHome> {
  const { disk } = deps;
  const name = await currentEngineName(disk, directory);
  const engine = await deps.openEngine(`${directory}/${name}`);
  try {
    await requireStillCurrent(disk, directory, name);
    await removeLeftovers(deps, directory, name);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return new DirectoryHome(deps, directory, name, engine);
}

/** Another process may have installed a snapshot and let this very engine go while it was opened here. */
async function requireStillCurrent(disk: Disk, directory: string, name: string): Promise<void> {
  if ((await currentEngineName(disk, directory)) !== name) {
    throw new LogtierError('ALREADY_RUNNING', `the metastore in ${directory} is in use`);
  }
  await syncNames(disk, directory);
}

async function syncNames(disk: Disk, directory: string): Promise<void> {
  try {
    await disk.syncDirectory(directory);
  } catch (error) {
    throw diskError(error, `syncing ${directory}`);
  }
}

async function removeLeftovers(
  { disk, logger }: EngineHomeDeps,
  directory: string,
  current: string,
): Promise<void> {
  for (const name of await leftoverEngines(disk, directory, current)) {
    try {
      await removeTree(disk, `${directory}/${name}`);
    } catch (error) {
      const reason = String(error);
      logger.warn({ directory, name, reason }, 'a left-over engine could not be removed');
    }
  }
}

class DirectoryHome implements EngineHome {
  readonly engine: SwitchingEngine;
  private readonly deps: EngineHomeDeps;
  private readonly directory: string;
  private name: string;
  private closing: Promise<void> | undefined;

  constructor(deps: EngineHomeDeps, directory: string, name: string, engine: KvEngine) {
    this.deps = deps;
    this.directory = directory;
    this.name = name;
    this.engine = new SwitchingEngine(engine);
  }

  get installedAt(): LogIndex {
    return indexOfInstall(this.name);
  }

  async replace(index: LogIndex, fill: (engine: KvEngine) => Promise<void>): Promise<void> {
    const { disk } = this.deps;
    const name = nameInstalledAt(index);
    const filled = await this.fillBeside(name, fill);
    // From here on a failure leaves it open which engine is named: both stay for the next start.
    try {
      await pointTo(disk, this.directory, name);
    } catch (error) {
      await filled.close();
      throw error;
    }
    this.name = name;
    await this.engine.switchTo(filled);
    await removeLeftovers(this.deps, this.directory, name);
  }

  close(): Promise<void> {
    this.closing ??= this.engine.close();
    return this.closing;
  }

  private async fillBeside(
    name: string,
    fill: (engine: KvEngine) => Promise<void>,
  ): Promise<KvEngine> {
    const { disk } = this.deps;
    await removeLeftovers(this.deps, this.directory, this.name);
    const engine = await this.deps.openEngine(`${this.directory}/${name}`);
    try {
      await fill(engine);
      await engine.flush();
      await syncNames(disk, this.directory);
      return engine;
    } catch (error) {
      await engine.close();
      await removeLeftovers(this.deps, this.directory, this.name);
      throw error;
    }
  }
}
