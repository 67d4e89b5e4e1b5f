// A killed process leaves its Unix socket behind, and nobody else could listen there any more.
import { connect } from 'node:net';
import { diskError, errnoOf, nodeDisk } from '../platform/disk.ts';

const UNIX = 'unix:';

/** Removes the socket of `address` when nobody listens on it; a socket that somebody has stays. */
export async function removeStaleSocket(address: string): Promise<void> {
  if (!address.startsWith(UNIX)) return;
  const path = address.slice(UNIX.length);
  if ((await connectError(path)) !== 'ECONNREFUSED') return;
  try {
    await nodeDisk.unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw diskError(error, `removing the socket ${path}`);
  }
}

/** Undefined when somebody answers: the kernel does so even for a process that is stopped. */
function connectError(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error) => {
      resolve(errnoOf(error));
    });
  });
}
