/**
 * Answers of calls that are over, which the sockets of their connections still read. They count as held, and are free when the socket has
 * written what it reads of them. Calls that end do not free them: only their peer can, or the end of its connection.
 */
import type { CallSession } from "./http2-stream.ts";

interface Cut {
  bytes: number;
  /** Since when none of them was written. */
  sinceMs: number;
}

export class CutAnswers {
  readonly #connections = new Map<CallSession, Cut>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Negative: so many bytes of them were written, or their connection is gone. */
  add(session: CallSession, bytes: number, nowMs: number): void {
    this.#bytes += bytes;
    const cut = this.#connections.get(session);
    if (cut === undefined) {
      this.#connections.set(session, { bytes, sinceMs: nowMs });
      return;
    }
    cut.bytes += bytes;
    if (cut.bytes === 0) this.#connections.delete(session);
    else if (bytes < 0) cut.sinceMs = nowMs;
  }

  /** Connections whose peer has taken nothing of them since `sinceMs`, the longest first. */
  untaken(sinceMs: number): readonly CallSession[] {
    return [...this.#connections]
      .filter(([, cut]) => cut.sinceMs <= sinceMs)
      .sort(([, one], [, other]) => one.sinceMs - other.sinceMs)
      .map(([session]) => session);
  }
}
