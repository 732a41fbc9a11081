/**
 * Answers of calls that are over, which the sockets of their connections still read. They count as held, and are free when the socket has
 * written what it reads of them. Calls that end do not free them: only their peer can, or the end of its connection.
 */
import type { HeldMemory } from "../../security/access/meter.ts";
import type { CallSession } from "./http2-stream.ts";

interface Cut {
  bytes: number;
  /** What its socket had taken then. */
  takenBytes: number;
  /** Since when it has taken nothing more. */
  sinceMs: number;
}

export class CutAnswers {
  readonly #connections = new Map<CallSession, Cut>();
  readonly #principals = new Map<HeldMemory, number>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  bytesOf(principal: HeldMemory): number {
    return this.#principals.get(principal) ?? 0;
  }

  /** Negative: so many bytes of them were written, or their connection is gone. */
  add(session: CallSession, principal: HeldMemory | undefined, bytes: number, nowMs: number): void {
    this.#bytes += bytes;
    if (principal !== undefined) addTo(this.#principals, principal, bytes);
    const cut = this.#connections.get(session);
    if (cut === undefined) {
      this.#connections.set(session, { bytes, takenBytes: session.takenBytes ?? 0, sinceMs: nowMs });
      return;
    }
    cut.bytes += bytes;
    if (cut.bytes === 0) this.#connections.delete(session);
  }

  /** Connections whose sockets have taken nothing for so long. To be asked a few times a second. */
  untaken(stallMaxMs: number, nowMs: number): readonly CallSession[] {
    const untaken: CallSession[] = [];
    for (const [session, cut] of this.#connections) {
      const { takenBytes = 0 } = session;
      if (takenBytes > cut.takenBytes) {
        cut.takenBytes = takenBytes;
        cut.sinceMs = nowMs;
      } else if (nowMs - cut.sinceMs >= stallMaxMs) untaken.push(session);
    }
    return untaken;
  }
}

function addTo(counts: Map<HeldMemory, number>, principal: HeldMemory, bytes: number): void {
  const sum = (counts.get(principal) ?? 0) + bytes;
  if (sum === 0) counts.delete(principal);
  else counts.set(principal, sum);
}
