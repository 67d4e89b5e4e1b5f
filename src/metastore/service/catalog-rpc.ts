import { LogtierError } from '../../base/errors.ts';
import { CatalogServiceService } from '../../gen/logtier/v1/catalog.ts';
import { rpcService, type RpcService } from '../../rpc/serve.ts';
import type { CatalogService } from './catalog-service.ts';

/** The service behind gRPC: for `serve` in src/rpc. */
export function catalogRpc(service: CatalogService): RpcService {
  return rpcService(CatalogServiceService, {
    mutate: (request, { signal }) => service.mutate(request, signal),
    async *mutateStream(requests, { signal }) {
      for await (const { call } of requests) {
        if (call === undefined) throw new LogtierError('INVALID_ARGUMENT', 'a request has a call');
        yield { answer: await service.mutate(call, signal) };
      }
    },
    query: (request, { signal }) => service.query(request, signal),
    listSegments: (request, { signal }) => service.listSegments(request, signal),
    watch: (request, { signal }) => service.watch(request, signal),
  });
}
