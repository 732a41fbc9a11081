/** Ends calls whose peer does not take what is sent, and their connection when it takes nothing at all. */
import { constants } from "node:http2";
import type { Boundary } from "../../common/boundary.ts";
import type { ListedCall } from "./call-list.ts";
import type { CallSession } from "./http2-stream.ts";

export class StallGuard {
  /** Connections that were ended. */
  ended = 0;
  readonly #stallMaxMs: number;
  readonly #boundary: Boundary;
  /** Connections that have not answered a ping. */
  readonly #unanswered = new WeakSet<CallSession>();

  constructor(stallMaxMs: number, boundary: Boundary) {
    this.#stallMaxMs = stallMaxMs;
    this.#boundary = boundary;
  }

  /**
   * True: the peer has taken too long over a message, and the call has to be cut. After half that time the connection is
   * pinged, so that it is known by then whether it takes anything.
   */
  isStalled({ sendingSinceMs, stream }: ListedCall, nowMs: number): boolean {
    const stalledMs = sendingSinceMs === undefined ? 0 : nowMs - sendingSinceMs;
    if (stalledMs >= this.#stallMaxMs) return true;
    if (stalledMs >= this.#stallMaxMs / 2) this.#ping(stream.session);
    return false;
  }

  /** What a connection already has to send is freed only with the connection. */
  cut({ stream }: ListedCall): void {
    const { session } = stream;
    if (session !== undefined && this.#unanswered.has(session)) this.endConnection(session);
    else if (stream.closed) stream.destroy();
    else stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  endConnection(session: CallSession): void {
    if (session.destroyed) return;
    this.ended += 1;
    session.destroy();
  }

  #ping(session: CallSession | undefined): void {
    if (session === undefined || session.destroyed || this.#unanswered.has(session)) return;
    const answered = this.#boundary.guard(session, () => this.#unanswered.delete(session));
    if (session.ping(answered)) this.#unanswered.add(session);
  }
}
