/** The policy that is in force, and the compiled permissions of each principal under it. */
import type { CacheError } from "../../common/errors.ts";
import { type Access, namesOf, type Permission, permissionDenied } from "../access/access.ts";
import { maskOf, maskOfPrefix, maskSomewhere, type Policy, type PolicyEntry } from "./policy.ts";

/** Namespaces whose masks one principal keeps. Names come from callers. */
const NAMESPACES_MAX = 1_024;
/** Log lines about one principal are at least so far apart. */
const LOG_INTERVAL_MS = 10_000;

export class PolicyInForce {
  /** Denied operations by what they needed. One that needed two counts for both. */
  readonly denials: Partial<Record<Permission, number>> = {};
  readonly #log: (principal: string, permissions: string) => void;
  readonly #wallNow: () => number;
  policy: Policy;

  /** `log`: told of denials, but of each principal not more often than every 10 s. */
  constructor(
    policy: Policy,
    log: (principal: string, permissions: string) => void,
    wallNow: () => number = Date.now,
  ) {
    this.policy = policy;
    this.#log = log;
    this.#wallNow = wallNow;
  }

  isSame(one: string, other: string): boolean {
    return this.policy.entryOf(one) === this.policy.entryOf(other);
  }

  /** Follows the policy when it is replaced. */
  accessOf(principal: string): Access {
    return new PolicyAccess(principal, this);
  }

  denied(principal: string, needed: number, lastLoggedMs: number): number {
    for (const name of namesOf(needed)) this.denials[name] = (this.denials[name] ?? 0) + 1;
    const nowMs = this.#wallNow();
    if (nowMs - lastLoggedMs < LOG_INTERVAL_MS) return lastLoggedMs;
    this.#log(principal, namesOf(needed).join(" and "));
    return nowMs;
  }
}

class PolicyAccess implements Access {
  readonly #principal: string;
  readonly #inForce: PolicyInForce;
  #policy: Policy | undefined;
  #entry: PolicyEntry | undefined;
  readonly #masks = new Map<string, number>();
  /** The namespace that was asked for last: most callers use one. */
  #lastNamespace = "";
  #lastMask = 0;
  #lastLoggedMs = Number.NEGATIVE_INFINITY;

  constructor(principal: string, inForce: PolicyInForce) {
    this.#principal = principal;
    this.#inForce = inForce;
  }

  permits(namespace: string, needed: number): boolean {
    if (this.#policy !== this.#inForce.policy) this.#compile();
    const mask = namespace === this.#lastNamespace ? this.#lastMask : this.#maskOf(namespace);
    return (mask & needed) === needed;
  }

  permitsPrefix(namespacePrefix: string, needed: number): boolean {
    if (this.#policy !== this.#inForce.policy) this.#compile();
    return (maskOfPrefix(this.#entry, namespacePrefix) & needed) === needed;
  }

  permitsEverywhere(needed: number): boolean {
    if (this.#policy !== this.#inForce.policy) this.#compile();
    return (maskOfPrefix(this.#entry, "") & needed) === needed;
  }

  permitsSomewhere(needed: number): boolean {
    if (this.#policy !== this.#inForce.policy) this.#compile();
    return (maskSomewhere(this.#entry) & needed) === needed;
  }

  deny(needed: number, field?: string): CacheError {
    this.#lastLoggedMs = this.#inForce.denied(this.#principal, needed, this.#lastLoggedMs);
    return permissionDenied(needed, field);
  }

  #compile(): void {
    this.#policy = this.#inForce.policy;
    this.#entry = this.#policy.entryOf(this.#principal);
    this.#masks.clear();
    // No namespace is empty.
    this.#lastNamespace = "";
    this.#lastMask = 0;
  }

  #maskOf(namespace: string): number {
    let mask = this.#masks.get(namespace);
    if (mask === undefined) {
      mask = maskOf(this.#entry, namespace);
      if (this.#masks.size >= NAMESPACES_MAX) this.#masks.clear();
      this.#masks.set(namespace, mask);
    }
    this.#lastNamespace = namespace;
    this.#lastMask = mask;
    return mask;
  }
}
