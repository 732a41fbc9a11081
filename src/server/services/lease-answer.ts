/** What a call of Lease is answered with, which may have to wait for its lease. */
import type { LeaseResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../../common/errors.ts";
import { withoutValue } from "../../rpc/lease.ts";
import type { Settle } from "../calls/handler.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import { ANSWER_WORK_BYTES } from "../limits/work.ts";

/** Thousands may wait, and young collections copy what each of them keeps. */
export class LeaseAnswer {
  /** Its call has waited. */
  isLate = false;
  readonly #memory: ConnectionMemory;
  readonly #describe: (value: LeaseResponse) => void;
  readonly #settle: Settle<LeaseResponse>;

  constructor(
    memory: ConnectionMemory,
    describe: (value: LeaseResponse) => void,
    settle: Settle<LeaseResponse>,
  ) {
    this.#memory = memory;
    this.#describe = describe;
    this.#settle = settle;
  }

  decided(outcome: LeaseResponse | CacheError): void {
    if (!this.isLate) {
      this.#answer(outcome);
      return;
    }
    // Many may wait for one value, and its writer may answer them all.
    const { turns } = this.#memory;
    turns.runOrWait(this.#memory, () => {
      turns.spend(ANSWER_WORK_BYTES);
      this.#answer(outcome);
    });
  }

  #answer(outcome: LeaseResponse | CacheError): void {
    if (outcome instanceof CacheError) {
      this.#settle(outcome);
      return;
    }
    const value = this.isLate && !this.#memory.admitsAnswer() ? withoutValue(outcome) : outcome;
    this.#describe(value);
    this.#settle(value);
  }
}
