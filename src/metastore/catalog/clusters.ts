// Kafka clusters share one catalog. Each gets a small number, so that keys stay short.
import type { CatalogState, Refusal } from '../../gen/logtier/v1/catalog_command.ts';
import type { Draft } from './draft.ts';
import { clusterKey } from './keys.ts';
import { MAX_CLUSTERS, MAX_TEXT_BYTES } from './limits.ts';
import { refusal } from './outcome.ts';

export function clusterNumberOf(row: Uint8Array): number {
  return new DataView(row.buffer, row.byteOffset, row.byteLength).getUint32(0);
}

function numberRow(cluster: number): Uint8Array {
  const row = new Uint8Array(4);
  new DataView(row.buffer).setUint32(0, cluster);
  return row;
}

/** The first client of a cluster brings it in; anything else about an unknown one is refused. */
export async function resolveCluster(
  draft: Draft,
  state: CatalogState,
  asked: { readonly clusterId: string; readonly mayCreate: boolean },
): Promise<{ readonly number: number } | Refusal> {
  const { clusterId, mayCreate } = asked;
  const known = await draft.get(clusterKey(clusterId));
  if (known !== undefined) return { number: clusterNumberOf(known) };
  if (!mayCreate) return refusal('WRONG_CLUSTER', `no Kafka cluster '${clusterId}' is known here`);
  if (clusterId === '' || Buffer.byteLength(clusterId) > MAX_TEXT_BYTES) {
    return refusal('INVALID_ARGUMENT', 'a client names its Kafka cluster');
  }
  if (state.clusters >= MAX_CLUSTERS) {
    return refusal('OVERLOADED', `more than ${MAX_CLUSTERS} Kafka clusters`);
  }
  state.clusters += 1;
  draft.putBytes(clusterKey(clusterId), numberRow(state.clusters));
  return { number: state.clusters };
}
