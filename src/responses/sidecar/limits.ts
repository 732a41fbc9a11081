/** What a sidecar takes at most. What goes beyond is counted in `SidecarCounts`. */
export interface SidecarLimits {
  readonly connectionsMax: number;
  /** Of one connection. */
  readonly streamsMax: number;
  readonly headersMaxBytes: number;
  /** Of a request that is looked at, and of a response that is kept: the default of gRPC. */
  readonly messageMaxBytes: number;
  /** Requests that are looked at, responses that are loaded, and answers on their way, of all callers. */
  readonly heldMaxBytes: number;
  /** Calls that the service has at a time. */
  readonly upstreamCallsMax: number;
  /** From the headers of a request that is looked at to its end. */
  readonly arrivalMaxMs: number;
  /** For an answer from the cache, until its caller has taken it. */
  readonly answerMaxMs: number;
  /** A connection without a call is closed after this. */
  readonly connectionIdleMs: number;
}

export const SIDECAR_LIMITS: SidecarLimits = {
  connectionsMax: 10_000,
  streamsMax: 1_000,
  headersMaxBytes: 16 * 1024,
  messageMaxBytes: 4 * 2 ** 20,
  heldMaxBytes: 128 * 2 ** 20,
  upstreamCallsMax: 10_000,
  arrivalMaxMs: 30_000,
  answerMaxMs: 30_000,
  connectionIdleMs: 5 * 60_000,
};

/** Of calls, but for `refusedConnections`. */
export interface SidecarCounts {
  near: number;
  remote: number;
  miss: number;
  stale: number;
  /** Calls of cached methods that went to the service. */
  bypassed: number;
  writes: number;
  /** Calls of other methods. */
  passed: number;
  /** Beyond a limit of bytes, or of calls of the service. */
  refused: number;
  /** Requests that did not arrive in time, and answers that were not taken in time. */
  late: number;
  refusedConnections: number;
}

export function zeroCounts(): SidecarCounts {
  return {
    near: 0,
    remote: 0,
    miss: 0,
    stale: 0,
    bypassed: 0,
    writes: 0,
    passed: 0,
    refused: 0,
    late: 0,
    refusedConnections: 0,
  };
}
