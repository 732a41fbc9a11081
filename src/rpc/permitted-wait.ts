/** Waits for leases that end when the caller loses its permission. */
import type { CacheError } from "../common/errors.ts";
import { NEEDS } from "../security/access/access.ts";
import type { Pending } from "../store/api/backend.ts";
import type { LeaseCommand } from "../store/api/store.ts";
import type { OperationContext } from "./admission.ts";

/**
 * A wait for a lease, which a new policy may end: `settle` then gets PERMISSION_DENIED. `ended` is to be called when it is decided
 * otherwise.
 */
export class PermittedWait {
  #stop: (() => void) | undefined;
  #isOver = false;

  guard(
    wait: Pending,
    { namespace }: LeaseCommand,
    { access, boundary }: OperationContext,
    settle: (denial: CacheError) => void,
  ): Pending {
    if (access === undefined || this.#isOver) return wait;
    const deny = (denial: CacheError): void => {
      wait.cancel();
      settle(denial);
    };
    this.#stop = access.whilePermitted(namespace, NEEDS.lease, boundary.guard(undefined, deny));
    return {
      cancel: () => {
        this.#stop?.();
        wait.cancel();
      },
    };
  }

  ended(): void {
    this.#isOver = true;
    this.#stop?.();
  }
}
