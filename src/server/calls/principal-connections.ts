/**
 * Counts the connections of each principal, from their first call to their end. One with a client certificate is of its
 * principal from its beginning; one whose calls have tokens is of everybody whose calls it has carried.
 */
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import type { CacheError } from "../../common/errors.ts";
import type { Meter } from "../../security/access/meter.ts";
import type { Principal } from "../../security/identity/principal.ts";

/** How long a connection too many is kept, for its calls to be told so. */
const REFUSED_MS = 1_000;

/** A connection, as far as it is needed here. */
interface Closable {
  once(event: "close", listener: () => void): unknown;
  destroy(): void;
}

const METERS = Symbol("meters");
type Counted = Closable & { [METERS]?: Set<Meter> };

export class PrincipalConnections {
  readonly #clock: Clock;
  readonly #boundary: Boundary;

  constructor(clock: Clock, boundary: Boundary) {
    this.#clock = clock;
    this.#boundary = boundary;
  }

  /** A connection of the principal of a client certificate begins. One too many is refused by its calls, and soon closed. */
  begin(socket: Closable, peer: Principal): void {
    const meter = peer.access?.meter;
    if (meter === undefined) return;
    const refusal = meter.open("connections");
    if (refusal === undefined) {
      socket.once(
        "close",
        this.#boundary.guard(undefined, () => meter.close("connections")),
      );
      return;
    }
    peer.refusal = refusal;
    const end = this.#clock.schedule(
      REFUSED_MS,
      this.#boundary.guard(undefined, () => socket.destroy()),
    );
    socket.once(
      "close",
      this.#boundary.guard(undefined, () => end.cancel()),
    );
  }

  /** A call of a principal with a token. Undefined: its connection is counted. Otherwise what the call ends with. */
  refusalOf(session: Counted, meter: Meter): CacheError | undefined {
    if (session[METERS]?.has(meter)) return undefined;
    const refusal = meter.open("connections");
    if (refusal !== undefined) return refusal;
    if (session[METERS] === undefined) {
      const meters = new Set<Meter>();
      session[METERS] = meters;
      const close = () => {
        for (const one of meters) one.close("connections");
      };
      session.once("close", this.#boundary.guard(undefined, close));
    }
    session[METERS].add(meter);
    return undefined;
  }
}
