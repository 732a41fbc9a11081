/** The policy that is in force, and the compiled permissions of each principal under it. */
import type { CacheError } from "../../common/errors.ts";
import { type Access, namesOf, type Permission, permissionDenied } from "../access/access.ts";
import type { AuditLog } from "../access/audit-log.ts";
import { maskOf, maskOfPrefix, maskSomewhere, type Policy, type PolicyEntry } from "./policy.ts";

/** Namespaces whose masks one principal keeps. Names come from callers. */
const NAMESPACES_MAX = 1_024;

export class PolicyInForce {
  /** Denied operations by what they needed. One that needed two counts for both. */
  readonly denials: Partial<Record<Permission, number>> = {};
  readonly audit: AuditLog;
  policy: Policy;

  constructor(policy: Policy, audit: AuditLog) {
    this.policy = policy;
    this.audit = audit;
  }

  isSame(one: string, other: string): boolean {
    return this.policy.entryOf(one) === this.policy.entryOf(other);
  }

  /** Follows the policy when it is replaced. */
  accessOf(principal: string): Access {
    return new PolicyAccess(principal, this);
  }

  denied(principal: string, needed: number): void {
    const names = namesOf(needed);
    for (const name of names) this.denials[name] = (this.denials[name] ?? 0) + 1;
    this.audit.record("denied", principal, { permissions: names.join(" and ") });
  }
}

class PolicyAccess implements Access {
  readonly principal: string;
  readonly #inForce: PolicyInForce;
  #policy: Policy | undefined;
  #entry: PolicyEntry | undefined;
  readonly #masks = new Map<string, number>();
  /** The namespace that was asked for last: most callers use one. */
  #lastNamespace = "";
  #lastMask = 0;

  constructor(principal: string, inForce: PolicyInForce) {
    this.principal = principal;
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
    this.#inForce.denied(this.principal, needed);
    return permissionDenied(needed, field);
  }

  cleared(namespace: string): void {
    this.#inForce.audit.record("cleared", this.principal, { namespace });
  }

  #compile(): void {
    this.#policy = this.#inForce.policy;
    this.#entry = this.#policy.entryOf(this.principal);
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
