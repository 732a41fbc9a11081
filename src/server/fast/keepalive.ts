/** Pings a single-stream connection, and ends it when it is silent, unanswered or too old, as grpc-js does for others. */
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";

interface WatchedConnection {
  ping(answered: () => void): boolean;
  retire(): void;
  destroy(): void;
}

interface KeepaliveDeps {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly boundary: Boundary;
}

export interface Keepalive {
  /** The connection has its stream. */
  begun(): void;
  /** The connection is closed. */
  stop(): void;
}

/** As in grpc-js, ages differ by up to a tenth, so that connections that began together do not end together. */
const AGE_JITTER = 0.1;
/**
 * A time-out that is so late was not a peer's silence: the process, or its host, was stopped, and what the peer has answered is not
 * read yet. It gets the time once more.
 */
const STOPPED_MS = 1_000;

export function startKeepalive(connection: WatchedConnection, deps: KeepaliveDeps): Keepalive {
  const { limits, rng, clock } = deps;
  const { keepaliveTimeMs, keepaliveTimeoutMs, connectionAgeMs, connectionGraceMs } = limits;
  const after = (delayMs: number, run: () => void) =>
    clock.schedule(delayMs, deps.boundary.guard(connection, run));
  const headersLate = after(limits.halfCloseMaxMs, () => connection.destroy());
  const awaitAnswer = (mayWaitOn: boolean): void => {
    const dueMs = clock.nowMs() + keepaliveTimeoutMs;
    keepalive = after(keepaliveTimeoutMs, () => {
      if (mayWaitOn && clock.nowMs() - dueMs >= STOPPED_MS) awaitAnswer(false);
      else connection.destroy();
    });
  };
  const ping = (): void => {
    awaitAnswer(true);
    connection.ping(() => {
      keepalive.cancel();
      keepalive = after(keepaliveTimeMs, ping);
    });
  };
  let keepalive = after(keepaliveTimeMs, ping);
  let age = after(connectionAgeMs * (1 + AGE_JITTER * (2 * rng.fraction() - 1)), () => {
    age = after(connectionGraceMs, () => connection.destroy());
    connection.retire();
  });
  return {
    begun: () => headersLate.cancel(),
    stop() {
      headersLate.cancel();
      keepalive.cancel();
      age.cancel();
    },
  };
}
