/**
 * Ends calls when more is held than connections may share, which takes many connections. Those calls end whose peer has
 * neither sent nor taken anything for a second. Holders pay that hold at least as much as the average, the largest first: a
 * principal of the policy with all its connections, or a connection of nobody who is known. Of one holder the oldest calls end
 * first, on connections that hold at least as much as its average. The same happens to a principal that holds most of what it
 * alone may.
 */
import { limitExceeded } from "../../common/errors.ts";
import type { HeldMemory } from "../../security/access/meter.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import { type MemoryAccount, SHARED_PART } from "../limits/memory-account.ts";
import type { ListedCall } from "./call-list.ts";
import type { CutAnswers } from "./cut-answers.ts";
import type { StallGuard } from "./stall-guard.ts";

const PATIENCE_MS = 1_000;

/** Who pays: a principal, or a connection. */
type Holder = HeldMemory | ConnectionMemory;

export class MemoryRelief {
  readonly #memory: MemoryAccount;
  readonly #stalls: StallGuard;
  readonly #cuts: CutAnswers;
  readonly #patienceMs: number;

  /** `stallMaxMs`: a peer has no more time than that in any case. */
  constructor(memory: MemoryAccount, stalls: StallGuard, cuts: CutAnswers, stallMaxMs: number) {
    this.#memory = memory;
    this.#stalls = stalls;
    this.#cuts = cuts;
    this.#patienceMs = Math.min(PATIENCE_MS, stallMaxMs);
  }

  cutExcess(calls: Iterable<ListedCall>, nowMs: number): void {
    for (const [principal, ofPrincipal] of this.#overLimit(calls)) {
      this.#cut(ofPrincipal, this.#excessOf(principal), nowMs);
    }
    // What was cut off leaves with its socket, or with its connection: cutting other calls would not free it sooner.
    let excessBytes = this.#memory.excessBytes() - this.#cuts.bytes;
    if (excessBytes <= 0) return;
    const holders = callsOf(calls, ({ memory }) => memory && (memory.principal ?? memory));
    const sizes = [...holders].map(([, of]) => ({ of, bytes: heldBytesOf(of) }));
    const averageBytes = sizes.reduce((sum, { bytes }) => sum + bytes, 0) / sizes.length;
    for (const { of, bytes } of sizes.sort((one, other) => other.bytes - one.bytes)) {
      if (excessBytes <= 0 || bytes < averageBytes) return;
      excessBytes -= this.#cut(of, excessBytes, nowMs);
    }
  }

  /** The calls of the principals that hold more than their connections may share of their own bound. */
  #overLimit(calls: Iterable<ListedCall>): ReadonlyMap<HeldMemory, readonly ListedCall[]> {
    return callsOf(calls, ({ memory }) => {
      const principal = memory?.principal;
      return principal !== undefined && this.#excessOf(principal) > 0 ? principal : undefined;
    });
  }

  #excessOf(principal: HeldMemory): number {
    return principal.bytes - this.#cuts.bytesOf(principal) - SHARED_PART * principal.maxBytes;
  }

  /** Ends calls of one holder until so many bytes are free, as far as its peers are idle. Returns how many are. */
  #cut(calls: readonly ListedCall[], excessBytes: number, nowMs: number): number {
    const averageBytes = heldBytesOf(calls) / connectionsOf(calls).size;
    let freedBytes = 0;
    for (const call of calls) {
      if (freedBytes >= excessBytes) break;
      const { heldBytes, memory } = call;
      const sinceMs = idleSinceMs(call);
      if (heldBytes === 0 || sinceMs === undefined || nowMs - sinceMs < this.#patienceMs) continue;
      if (memory === undefined || memory.heldBytes < averageBytes) continue;
      freedBytes += heldBytes;
      this.#memory.refusals += 1;
      if (call.sendingSinceMs !== undefined) this.#stalls.cut(call);
      else call.refuse(limitExceeded("held_bytes", String(this.#memory.maxBytes)));
    }
    return freedBytes;
  }
}

/** Since when the call waits for its peer. Undefined: it does not. */
function idleSinceMs(call: ListedCall): number | undefined {
  if (call.sendingSinceMs !== undefined) return call.sendingSinceMs;
  if (call.answered || call.halfClosed) return undefined;
  return call.method.requestStream ? call.arrivingSinceMs : call.startedMs;
}

/** The calls of each holder, on connections that hold anything. */
function callsOf<Kind extends Holder>(
  calls: Iterable<ListedCall>,
  holderOf: (call: ListedCall) => Kind | undefined,
): ReadonlyMap<Kind, readonly ListedCall[]> {
  const holders = new Map<Kind, ListedCall[]>();
  for (const call of calls) {
    const holder = call.memory?.heldBytes ? holderOf(call) : undefined;
    if (holder === undefined) continue;
    const known = holders.get(holder);
    if (known === undefined) holders.set(holder, [call]);
    else known.push(call);
  }
  return holders;
}

function connectionsOf(calls: Iterable<ListedCall>): ReadonlySet<ConnectionMemory> {
  const connections = new Set<ConnectionMemory>();
  for (const { memory } of calls) if (memory !== undefined) connections.add(memory);
  return connections;
}

function heldBytesOf(calls: Iterable<ListedCall>): number {
  let heldBytes = 0;
  for (const memory of connectionsOf(calls)) heldBytes += memory.heldBytes;
  return heldBytes;
}
