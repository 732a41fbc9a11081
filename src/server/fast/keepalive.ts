/** How long a connection of one stream may last, and how it is known to be there: what grpc-js sees to for others. */
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";

/** The connection as its lifetime sees it. */
interface Mortal {
  ping(answered: () => void): boolean;
  retire(): void;
  destroy(): void;
}

interface LifetimeDeps {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly boundary: Boundary;
}

export interface Lifetime {
  /** The connection has its stream. */
  begun(): void;
  /** Nothing is watched any more. */
  over(): void;
}

/** Connections that began together are not to end together: as grpc-js has it, a tenth earlier or later. */
const AGE_JITTER = 0.1;

export function watchLifetime(connection: Mortal, deps: LifetimeDeps): Lifetime {
  const { limits, rng } = deps;
  const { keepaliveTimeMs, keepaliveTimeoutMs, connectionAgeMs, connectionGraceMs } = limits;
  const after = (delayMs: number, run: () => void) =>
    deps.clock.schedule(delayMs, deps.boundary.guard(connection, run));
  const greeting = after(limits.halfCloseMaxMs, () => connection.destroy());
  const probe = (): void => {
    keepalive = after(keepaliveTimeoutMs, () => connection.destroy());
    connection.ping(() => {
      keepalive.cancel();
      keepalive = after(keepaliveTimeMs, probe);
    });
  };
  let keepalive = after(keepaliveTimeMs, probe);
  let age = after(connectionAgeMs * (1 + AGE_JITTER * (2 * rng.fraction() - 1)), () => {
    age = after(connectionGraceMs, () => connection.destroy());
    connection.retire();
  });
  return {
    begun: () => greeting.cancel(),
    over() {
      greeting.cancel();
      keepalive.cancel();
      age.cancel();
    },
  };
}
