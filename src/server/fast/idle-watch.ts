/** Asks a connection to go that had no call for long. */
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";

interface IdleConnection {
  retire(): void;
  destroy(): void;
}

interface IdleDeps {
  readonly limits: Pick<TransportLimits, "connectionIdleMs">;
  readonly clock: Clock;
  readonly boundary: Boundary;
}

export interface IdleWatch {
  /** It has a call. */
  busy(): void;
  /** It has none any more. */
  idle(): void;
  stop(): void;
}

/** A timer for each idle time, and not for each call: one that comes early waits for the rest. */
export function startIdleWatch(connection: IdleConnection, { limits, clock, boundary }: IdleDeps): IdleWatch {
  const { connectionIdleMs } = limits;
  let sinceMs: number | undefined = clock.nowMs();
  const check = boundary.guard(connection, () => {
    const idleMs = sinceMs === undefined ? 0 : clock.nowMs() - sinceMs;
    if (idleMs >= connectionIdleMs) connection.retire();
    else timer = clock.schedule(connectionIdleMs - idleMs, check);
  });
  let timer = clock.schedule(connectionIdleMs, check);
  return {
    busy() {
      sinceMs = undefined;
    },
    idle() {
      sinceMs = clock.nowMs();
    },
    stop: () => timer.cancel(),
  };
}
