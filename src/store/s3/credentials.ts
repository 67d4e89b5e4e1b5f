import type { Clock } from '../../platform/clock.ts';
import type { Disk } from '../../platform/disk.ts';
import { LogtierError } from '../../base/errors.ts';
import { errnoOf } from '../../platform/disk.ts';

/** A key id in the settings, its secret in a file that only this process can read. */
export interface FileCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKeyFile: string;
  readonly sessionTokenFile?: string | undefined;
}

export interface LoadedCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** The SDK asks again shortly before. */
  readonly expiration: Date;
}

/** Files are read again this often, so that a rotated secret is taken without a restart. */
const REREAD_MS = 10 * 60_000;

async function secretIn(disk: Disk, file: string): Promise<string> {
  try {
    return (await disk.readFile(file)).toString('utf8').trim();
  } catch (error) {
    throw new LogtierError('STORE_DENIED', `reading ${file}: ${errnoOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}

/** A credential provider for the SDK over secrets in files. */
export function fileCredentials(
  deps: { readonly disk: Disk; readonly clock: Clock },
  settings: FileCredentials,
): () => Promise<LoadedCredentials> {
  return async () => {
    const { accessKeyId, secretAccessKeyFile, sessionTokenFile } = settings;
    const secretAccessKey = await secretIn(deps.disk, secretAccessKeyFile);
    const expiration = new Date(deps.clock.wallMs() + REREAD_MS);
    if (sessionTokenFile === undefined) return { accessKeyId, secretAccessKey, expiration };
    const sessionToken = await secretIn(deps.disk, sessionTokenFile);
    return { accessKeyId, secretAccessKey, sessionToken, expiration };
  };
}
