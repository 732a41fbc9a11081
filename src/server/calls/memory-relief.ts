/**
 * Ends calls when more is held than connections may share, which takes many connections. Those calls end whose peer has
 * neither sent nor taken anything for a second, the oldest first, on connections that hold at least as much as the average.
 */
import { limitExceeded } from "../../common/errors.ts";
import type { ConnectionMemory, MemoryAccount } from "../limits/memory-account.ts";
import type { ListedCall } from "./call-list.ts";
import type { StallGuard } from "./stall-guard.ts";

const PATIENCE_MS = 1_000;

export class MemoryRelief {
  readonly #memory: MemoryAccount;
  readonly #stalls: StallGuard;
  readonly #patienceMs: number;

  /** `stallMaxMs`: a peer has no more time than that in any case. */
  constructor(memory: MemoryAccount, stalls: StallGuard, stallMaxMs: number) {
    this.#memory = memory;
    this.#stalls = stalls;
    this.#patienceMs = Math.min(PATIENCE_MS, stallMaxMs);
  }

  cutExcess(calls: Iterable<ListedCall>, nowMs: number): void {
    let excessBytes = this.#memory.excessBytes();
    if (excessBytes === 0) return;
    const averageBytes = averageOf(calls);
    for (const call of calls) {
      if (excessBytes <= 0) return;
      const { heldBytes, memory } = call;
      const sinceMs = idleSinceMs(call);
      if (heldBytes === 0 || sinceMs === undefined || nowMs - sinceMs < this.#patienceMs) continue;
      if (memory === undefined || memory.heldBytes < averageBytes) continue;
      excessBytes -= heldBytes;
      this.#memory.refusals += 1;
      if (call.sendingSinceMs !== undefined) this.#stalls.cut(call);
      else call.refuse(limitExceeded("held_bytes", String(this.#memory.maxBytes)));
    }
  }
}

/** Since when the call waits for its peer. Undefined: it does not. */
function idleSinceMs(call: ListedCall): number | undefined {
  if (call.sendingSinceMs !== undefined) return call.sendingSinceMs;
  if (call.answered || call.halfClosed) return undefined;
  return call.method.requestStream ? call.arrivingSinceMs : call.startedMs;
}

/** Of what connections of this server hold, without those that hold nothing. */
function averageOf(calls: Iterable<ListedCall>): number {
  const connections = new Set<ConnectionMemory>();
  let heldBytes = 0;
  for (const { memory } of calls) {
    if (memory === undefined || memory.heldBytes === 0 || connections.has(memory)) continue;
    connections.add(memory);
    heldBytes += memory.heldBytes;
  }
  return connections.size === 0 ? 0 : heldBytes / connections.size;
}
