/** The policy that is in force, and the compiled permissions of each principal under it. */
import { type Clock, systemClock } from "../../common/clock.ts";
import type { CacheError } from "../../common/errors.ts";
import { type Access, namesOf, type Permission, permissionDenied } from "../access/access.ts";
import type { AuditedAction, AuditLog } from "../access/audit-log.ts";
import type { Meter } from "../access/meter.ts";
import { LIMIT_NAMES, PrincipalMeter, type SpentLimit } from "../metering/principal-meter.ts";
import { createPrincipalMemory, PrincipalTable } from "../metering/principal-table.ts";
import { maskOf, maskOfPrefix, maskSomewhere, type Policy, type PolicyEntry } from "./policy.ts";

/** Namespaces whose masks one principal keeps. Names come from callers. */
const NAMESPACES_MAX = 1_024;

interface GuardedWait {
  readonly access: Access;
  readonly namespace: string;
  readonly needed: number;
  readonly denied: (error: CacheError) => void;
}

export class PolicyInForce {
  /** Denied operations by what they needed. One that needed two counts for both. */
  readonly denials: Partial<Record<Permission, number>> = {};
  /** What was refused since a principal had used what it may, by what that was. */
  readonly limited: Partial<Record<SpentLimit, number>> = Object.fromEntries(
    Object.values(LIMIT_NAMES).map((name) => [name, 0]),
  );
  readonly audit: AuditLog;
  readonly #table: PrincipalTable;
  readonly #clock: Clock;
  /** Of the principals that have called, by their names in the policy. */
  readonly #meters = new Map<string, PrincipalMeter>();
  /** What waits, and ends when it is not permitted any more. */
  readonly #waits = new Set<GuardedWait>();
  #policy: Policy;

  /** `memory`: that of the policies in force in other threads of the process. */
  constructor(
    policy: Policy,
    audit: AuditLog,
    memory: SharedArrayBuffer = createPrincipalMemory(),
    clock: Clock = systemClock,
  ) {
    this.#policy = policy;
    this.audit = audit;
    this.#table = new PrincipalTable(memory);
    this.#clock = clock;
  }

  get policy(): Policy {
    return this.#policy;
  }

  replace(policy: Policy): void {
    this.#policy = policy;
    const entries = new Map(policy.entries.map((entry) => [entry.name, entry]));
    for (const [name, meter] of this.#meters) {
      const entry = entries.get(name);
      if (entry === undefined) this.#meters.delete(name);
      else meter.follow(entry.limits);
    }
    for (const { access, namespace, needed, denied } of [...this.#waits])
      if (!access.permits(namespace, needed)) denied(access.deny(needed, namespace));
  }

  guard(wait: GuardedWait): () => void {
    this.#waits.add(wait);
    return () => this.#waits.delete(wait);
  }

  isSame(one: string, other: string): boolean {
    return this.policy.entryOf(one) === this.policy.entryOf(other);
  }

  /** Follows the policy when it is replaced. */
  accessOf(principal: string): Access {
    return new PolicyAccess(principal, this);
  }

  meterOf({ name, limits }: PolicyEntry): Meter {
    let meter = this.#meters.get(name);
    if (meter === undefined) {
      meter = new PrincipalMeter(
        this.#table.recordOf(name),
        limits,
        (limit) => this.#refused(name, limit),
        this.#clock,
      );
      this.#meters.set(name, meter);
    }
    return meter;
  }

  denied(principal: string, needed: number, namespace: string): void {
    const names = namesOf(needed);
    for (const name of names) this.denials[name] = (this.denials[name] ?? 0) + 1;
    const where = namespace === "" ? {} : { namespace };
    this.audit.record("denied", principal, { permissions: names.join(" and "), ...where });
  }

  #refused(name: string, limit: SpentLimit): void {
    this.limited[limit] = (this.limited[limit] ?? 0) + 1;
    this.audit.record("limited", name, { limit });
  }
}

class PolicyAccess implements Access {
  readonly principal: string;
  readonly #inForce: PolicyInForce;
  #policy: Policy | undefined;
  #entry: PolicyEntry | undefined;
  #meter: Meter | undefined;
  readonly #masks = new Map<string, number>();
  /** The namespace that was asked for last: most callers use one. */
  #lastNamespace = "";
  #lastMask = 0;

  constructor(principal: string, inForce: PolicyInForce) {
    this.principal = principal;
    this.#inForce = inForce;
  }

  get meter(): Meter | undefined {
    if (this.#policy !== this.#inForce.policy) this.#compile();
    return this.#meter;
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

  deny(needed: number, namespace: string, field?: string): CacheError {
    this.#inForce.denied(this.principal, needed, namespace);
    return permissionDenied(needed, field);
  }

  whilePermitted(namespace: string, needed: number, denied: (error: CacheError) => void): () => void {
    const stop = this.#inForce.guard({
      access: this,
      namespace,
      needed,
      denied(error) {
        stop();
        denied(error);
      },
    });
    return stop;
  }

  acted(action: AuditedAction, namespace: string): void {
    this.#inForce.audit.record(action, this.principal, { namespace });
  }

  #compile(): void {
    this.#policy = this.#inForce.policy;
    this.#entry = this.#policy.entryOf(this.principal);
    this.#meter = this.#entry && this.#inForce.meterOf(this.#entry);
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
