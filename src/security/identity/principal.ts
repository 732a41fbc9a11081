/** Who a connection or a call is of, and until when that is proven. */

import type { CacheError } from "../../common/errors.ts";
import type { Access } from "../access/access.ts";

export class Principal {
  /** Undefined: it may do everything. */
  access: Access | undefined;
  /** What its calls end with: its connection is one too many. */
  refusal: CacheError | undefined;
  /** "spiffe://example.org/orders", "dns:orders.example" or "token:orders". Text that may stand in a log. */
  readonly name: string;
  #untilMs: number;

  /** `untilMs`: milliseconds since 1970; Infinity: without end. */
  constructor(name: string, untilMs: number) {
    this.name = name;
    this.#untilMs = untilMs;
  }

  isValid(wallNowMs: number): boolean {
    return wallNowMs < this.#untilMs;
  }

  /** From now on nothing is of this principal: its token or its authority was removed. */
  revoke(): void {
    this.#untilMs = 0;
  }
}
