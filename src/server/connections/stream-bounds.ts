/**
 * Tells connections how many streams they may have: as many as the limit says, and under pressure, those whose calls make others
 * wait, as many as end within the longest wait.
 */
import type { Boundary } from "../../common/boundary.ts";
import type { CallSession } from "../calls/http2-stream.ts";
import type { CallRegister } from "../calls/registry.ts";
import type { Throughput } from "../limits/throughput.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";

/** Unary calls that a connection may have under way, however busy the server is. */
const CALLS_MIN = 8;
/** A connection with more waiting calls than this part of what it may have is bounded: one with few waits for others. */
const MANY_PART = 1 / 2;

interface StreamBoundsDeps {
  readonly limits: Pick<TransportLimits, "connectionMaxStreams">;
  readonly boundary: Boundary;
  /** How many unary calls may be under way, on all connections together. */
  readonly throughput: Throughput;
  readonly register: Pick<CallRegister, "streamingCallsOf" | "waitingCallsOf">;
}

export class StreamBounds {
  readonly #deps: StreamBoundsDeps;
  /** With what tells them. */
  readonly #open = new Map<CallSession, (streams: number) => void>();
  /** Those whose calls made others wait: they share the bound. */
  readonly #bounded = new Set<CallSession>();

  constructor(deps: StreamBoundsDeps) {
    this.#deps = deps;
    deps.throughput.whenChanged(() => this.#changed());
  }

  /** `advertise` tells the peer of the connection. Returns what is to be called when it is closed. */
  add(session: CallSession, advertise: (streams: number) => void): () => void {
    this.#open.set(session, this.#deps.boundary.guard(session, advertise));
    return () => {
      this.#open.delete(session);
      this.#bounded.delete(session);
    };
  }

  #changed(): void {
    const { limits, throughput, register } = this.#deps;
    const { connectionMaxStreams } = limits;
    const manyCalls = connectionMaxStreams * MANY_PART;
    for (const session of this.#open.keys()) {
      if (register.waitingCallsOf(session) > manyCalls) this.#bounded.add(session);
    }
    const calls = Math.max(CALLS_MIN, Math.ceil(throughput.callsMax / this.#bounded.size));
    for (const session of this.#bounded) {
      const streams = Math.min(connectionMaxStreams, calls + register.streamingCallsOf(session));
      if (!session.destroyed) this.#open.get(session)?.(streams);
    }
    if (throughput.callsMax === Number.POSITIVE_INFINITY) this.#bounded.clear();
  }
}
