/** Who a connection or a call is of, and until when that is proven. */

import type { CacheError } from "../../common/errors.ts";
import type { Access } from "../access/access.ts";

/**
 * What principals rest on, such as the key that their tokens are signed by. When it is gone, so are they. "unknown": nobody can say
 * whether it is there, since it could not be asked for too long.
 */
export interface Ground {
  readonly state: "there" | "gone" | "unknown";
}

export class Principal {
  /** Undefined: it may do everything. */
  access: Access | undefined;
  /** What its calls end with: its connection is one too many. */
  refusal: CacheError | undefined;
  /** "spiffe://example.org/orders", "dns:orders.example" or "token:orders". Text that may stand in a log. */
  readonly name: string;
  readonly #ground: Ground | undefined;
  #untilMs: number;
  #isRevoked = false;

  /** `untilMs`: milliseconds since 1970; Infinity: without end. `ground`: default, it rests on itself alone. */
  constructor(name: string, untilMs: number, ground?: Ground) {
    this.name = name;
    this.#untilMs = untilMs;
    this.#ground = ground;
  }

  isValid(wallNowMs: number): boolean {
    return wallNowMs < this.#untilMs && !this.#isRevoked && (this.#ground?.state ?? "there") === "there";
  }

  /** It is not valid, and may be valid when it is asked for again. */
  get isUnknown(): boolean {
    return this.#ground?.state === "unknown";
  }

  /** Until when it is proven now, in milliseconds since 1970. What was revoked stays so. */
  prove(untilMs: number): void {
    if (!this.#isRevoked) this.#untilMs = untilMs;
  }

  /** From now on nothing is of this principal: its token or its authority was removed. */
  revoke(): void {
    this.#isRevoked = true;
  }
}
