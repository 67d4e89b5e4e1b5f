// Asks a broker whether it serves, without a Kafka client: one Metadata request, version 1, for no topics.
// Layout: apache/kafka clients/src/main/resources/common/message/MetadataRequest.json and MetadataResponse.json
import { connect } from 'node:net';

const METADATA_REQUEST = Buffer.from('0000000f000300010000000100017800000000', 'hex');

/** Ids of the brokers that `host:port` holds for alive (a fenced broker is not among them). */
export async function brokersSeenBy(
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<number[]> {
  const answer = await exchange(host, port, signal);
  const ids: number[] = [];
  let at = 12; // size, correlation id, number of brokers
  for (let count = answer.readInt32BE(8); count > 0; count -= 1) {
    ids.push(answer.readInt32BE(at));
    const hostBytes = answer.readInt16BE(at + 4);
    const rackAt = at + 6 + hostBytes + 4;
    at = rackAt + 2 + Math.max(0, answer.readInt16BE(rackAt));
  }
  return ids;
}

function exchange(host: string, port: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    let received = Buffer.alloc(0);
    socket.once('connect', () => socket.write(METADATA_REQUEST));
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
      resolve(received);
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`${host}:${port} closed the connection`)));
  });
}
