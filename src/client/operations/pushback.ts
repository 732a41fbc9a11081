/**
 * What an overloaded server has asked for: it refuses reads, or Increments and Sets without a lease, and says how long to wait. Until then
 * such operations fail here, and nothing is sent. Others are sent: a server never refuses them for load.
 */
import type { Operation } from "../../../gen/meshcache/v1/cache_pb.ts";
import { type CacheError, overloaded, pushbackMsOf } from "../../common/errors.ts";

type Body = Operation["operation"];
type Kind = "get" | "set";

export class Pushback {
  readonly #untilMs: Record<Kind, number> = { get: 0, set: 0 };
  /** A server has asked, lately. */
  #asked = false;

  get asked(): boolean {
    return this.#asked;
  }

  /** The operation was refused with this error. */
  refused(body: Body, error: CacheError, nowMs: number): void {
    const kind = kindOf(body);
    const pushbackMs = pushbackMsOf(error);
    if (kind === undefined || pushbackMs === 0) return;
    this.#asked = true;
    this.#untilMs[kind] = Math.max(this.#untilMs[kind], nowMs + pushbackMs);
  }

  /** Undefined: the operation may be sent. */
  refusalOf(body: Body, nowMs: number): CacheError | undefined {
    const kind = kindOf(body);
    const leftMs = kind === undefined ? 0 : this.#untilMs[kind] - nowMs;
    if (leftMs > 0) return overloaded(Math.ceil(leftMs));
    this.#asked = this.#untilMs.get > nowMs || this.#untilMs.set > nowMs;
    return undefined;
  }
}

function kindOf(body: Body): Kind | undefined {
  if (body.case === "get" || body.case === "listKeys") return "get";
  if (body.case === "increment") return "set";
  return body.case === "set" && body.value.condition.case !== "leaseToken" ? "set" : undefined;
}
