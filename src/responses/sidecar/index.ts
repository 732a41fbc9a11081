/** The sidecar: a proxy before a gRPC service of any language that caches its responses as its descriptors declare. */
import { createBoundary } from "../../common/boundary.ts";
import { ByteBudget } from "../../common/byte-budget.ts";
import { type Clock, systemClock } from "../../common/clock.ts";
import type { HostPort } from "../../common/host-port.ts";
import type { ServiceSource } from "../options/service-methods.ts";
import { ResponseCache, type ResponseCacheOptions } from "../response-cache.ts";
import { CachedReads } from "./cached-reads.ts";
import { isGrpc } from "./grpc-http2.ts";
import { type CallDeps, IncomingCall } from "./incoming-call.ts";
import { SIDECAR_LIMITS, type SidecarCounts, type SidecarLimits, zeroCounts } from "./limits.ts";
import { SidecarListener } from "./listener.ts";
import { ObservedWrites } from "./observed-writes.ts";
import { Passing } from "./passing.ts";
import { Upstream } from "./upstream.ts";

export interface SidecarOptions extends ResponseCacheOptions {
  readonly listen: HostPort;
  readonly upstream: HostPort;
  readonly services: readonly ServiceSource[];
  /**
   * SHARING_ALL holds for calls with credentials too: the network before the sidecar lets only those through who may call. Default
   * false: such calls go to the service.
   */
  readonly shareAuthorized?: boolean;
  /** Told of faults of the sidecar itself, once for each cause. */
  readonly onFault?: (error: unknown) => void;
}

/** What tests replace. */
export interface SidecarInternals {
  readonly limits?: Partial<SidecarLimits>;
  readonly clock?: Clock;
}

export interface Sidecar {
  /** "HOST:PORT" */
  readonly address: string;
  readonly counts: Readonly<SidecarCounts>;
  close(): Promise<void>;
}

/** Resolves once it listens. Rejects when it cannot, and with FIELD_INVALID for options of methods that are wrong. */
export async function startSidecar(
  options: SidecarOptions,
  { limits: changed, clock = systemClock }: SidecarInternals = {},
): Promise<Sidecar> {
  const boundary = createBoundary(options.onFault ?? (() => {}));
  const limits = { ...SIDECAR_LIMITS, ...changed };
  const counts = zeroCounts();
  const deps: CallDeps = { boundary, clock, limits, counts, budget: new ByteBudget(limits.heldMaxBytes) };
  const responses = new ResponseCache(options, options.services);
  const upstream = new Upstream(options.upstream, deps);
  const passing = new Passing(upstream, deps);
  const shareAuthorized = options.shareAuthorized === true;
  const reads = new CachedReads({ responses, upstream, passing, shareAuthorized }, deps);
  const writes = new ObservedWrites(responses, passing, deps);
  const listener = new SidecarListener(
    limits,
    counts,
    (stream, headers) => {
      const call = new IncomingCall(stream, headers, deps);
      const rule = isGrpc(headers) ? responses.ruleOf(String(headers[":path"])) : undefined;
      if (rule === undefined) passing.pass(call);
      else {
        call.collect((body, isWhole) => {
          if (rule.kind === "read") reads.serve(call, rule, body, isWhole);
          else writes.serve(call, rule, body, isWhole);
        });
      }
    },
    boundary,
  );
  return {
    address: await listener.listen(options.listen),
    counts,
    async close() {
      const closed = listener.close();
      upstream.close();
      await closed;
    },
  };
}
