// Whom a voter has agreed to begin a new group with, each with its directory: a file beside the log.
import { crc32 } from '../../../base/checksum.ts';
import { LogtierError } from '../../../base/errors.ts';
import type { Disk } from '../../../platform/disk.ts';
import { readText, replaceFile } from '../../../platform/small-file.ts';
import type { Peer } from './membership.ts';

const FILE = 'founders';

/** `id directory address`, a line each. */
const LINE = /^(\d{1,15}) (\S+) (\S.*)$/;

export interface Founding {
  /** This voter, with its directory. */
  readonly self: Required<Peer>;
  readonly voters: readonly Peer[];
}

/**
 * The first list that this voter learns is the only one it ever agrees to. No voter begins before all have
 * agreed to the same list; from then on none of them takes another directory for that of a founder.
 */
export class Founders {
  private readonly disk: Disk;
  private readonly directory: string;
  private readonly founding: Founding;
  private kept: readonly Peer[];
  private keeping: Promise<void> | undefined;

  private constructor(disk: Disk, directory: string, founding: Founding, kept: readonly Peer[]) {
    this.disk = disk;
    this.directory = directory;
    this.founding = founding;
    this.kept = kept;
  }

  /** `directory` is that of the log, and exists. CORRUPT_STATE when the file does not read. */
  static async open(disk: Disk, directory: string, founding: Founding): Promise<Founders> {
    const kept = await readFounders(disk, directory);
    return new Founders(disk, directory, founding, kept);
  }

  /** By id; nobody before. */
  get agreed(): readonly Peer[] {
    return this.kept;
  }

  directoryOf(id: number): string | undefined {
    return this.kept.find((founder) => founder.id === id)?.directory;
  }

  /**
   * For a log that has not begun: later the log itself knows better. CORRUPT_STATE when another directory than
   * this one was agreed on, INVALID_CONFIG when the settings name other voters.
   */
  requireOwn(): void {
    const { self, voters } = this.founding;
    if (this.kept.length === 0) return;
    if (this.directoryOf(self.id) !== self.directory) {
      throw corrupt(this.directory, 'is of another directory');
    }
    const agreed = printVoters(this.kept);
    const named = printVoters(voters);
    if (voters.length === 0 || agreed === named) return;
    const what = `this member has agreed to begin a group with ${agreed}, not with ${named}`;
    throw new LogtierError('INVALID_CONFIG', what, {
      hint: 'metastore.group.voters changed meanwhile: take it back, or, when the group has never begun, empty the directories of all its voters',
    });
  }

  /** What holds afterwards, durably: `proposed`, what was agreed before it, or nobody when it does not fit. */
  async agree(proposed: readonly Peer[]): Promise<readonly Peer[]> {
    if (this.keeping === undefined && this.kept.length === 0 && this.fits(proposed)) {
      this.keeping = this.keep(proposed).finally(() => {
        this.keeping = undefined;
      });
    }
    await this.keeping;
    return this.kept;
  }

  private fits(proposed: readonly Peer[]): boolean {
    const { self, voters } = this.founding;
    const isVoter = ({ id, address, directory }: Peer): boolean =>
      directory !== undefined && voters.some((each) => each.id === id && each.address === address);
    return (
      new Set(proposed.map(({ id }) => id)).size === voters.length &&
      proposed.length === voters.length &&
      proposed.every(isVoter) &&
      proposed.some(({ id, directory }) => id === self.id && directory === self.directory)
    );
  }

  private async keep(proposed: readonly Peer[]): Promise<void> {
    const founders = proposed.toSorted((left, right) => left.id - right.id);
    await replaceFile(this.disk, this.directory, FILE, printFounders(founders));
    this.kept = founders;
  }
}

export function printVoters(voters: readonly Peer[]): string {
  const sorted = voters.toSorted((left, right) => left.id - right.id);
  return sorted.map(({ id, address }) => `${id} at ${address}`).join(', ') || 'nobody';
}

function printFounders(founders: readonly Peer[]): string {
  const lines = founders.map(({ id, directory, address }) => `${id} ${directory} ${address}\n`);
  const body = lines.join('');
  return `${body}crc32 ${checksumOf(body)}\n`;
}

async function readFounders(disk: Disk, directory: string): Promise<readonly Peer[]> {
  const text = await readText(disk, directory, FILE);
  if (text === undefined) return [];
  const end = text.lastIndexOf('crc32 ');
  const body = text.slice(0, Math.max(end, 0));
  if (text.slice(body.length) !== `crc32 ${checksumOf(body)}\n`) {
    throw corrupt(directory, 'does not match its checksum');
  }
  return body
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [, id, founder, address] = LINE.exec(line) ?? [];
      if (id === undefined || address === undefined) throw corrupt(directory, 'does not read');
      return { id: Number(id), address, directory: founder };
    });
}

function checksumOf(body: string): string {
  return crc32(Buffer.from(body)).toString(16).padStart(8, '0');
}

function corrupt(directory: string, what: string): LogtierError {
  return new LogtierError('CORRUPT_STATE', `${directory}/${FILE} ${what}`, {
    hint: 'this member cannot come back: docs/runbooks/replace-a-member.md',
  });
}
