// One sidecar a broker, one process a state directory: an abstract unix socket is the lock, and goes with the process.
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { LogtierError } from '../base/errors.ts';
import { errnoOf } from '../platform/disk.ts';

export interface InstanceLock {
  release(): Promise<void>;
}

/**
 * @param what such as `the sidecar of broker 1`; @param key makes it unique on this host.
 * ALREADY_RUNNING when another process of this host holds it.
 */
export function lockInstance(what: string, key: string, hint: string): Promise<InstanceLock> {
  const name = createHash('sha256').update(key).digest('hex').slice(0, 40);
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const isHeld = errnoOf(error) === 'EADDRINUSE';
      reject(
        new LogtierError(
          isHeld ? 'ALREADY_RUNNING' : 'DISK_FAILED',
          isHeld ? `${what} is running already` : error.message,
          { hint, cause: error },
        ),
      );
    });
    // The name is abstract (unix(7)): no file that a crash would leave behind.
    server.listen(`\0logtier-${name}`, () => {
      resolve({
        release: () =>
          new Promise((done) => {
            server.close(() => {
              done();
            });
          }),
      });
    });
  });
}
