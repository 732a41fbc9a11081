/** The permissions of callers that are known, where no policy says what they may do: all. */
import type { CacheError } from "../../common/errors.ts";
import { type Access, permissionDenied } from "./access.ts";
import type { AuditedAction, AuditLog } from "./audit-log.ts";

export class FullAccess implements Access {
  readonly meter = undefined;
  readonly principal: string;
  readonly #audit: AuditLog;

  constructor(principal: string, audit: AuditLog) {
    this.principal = principal;
    this.#audit = audit;
  }

  permits(): boolean {
    return true;
  }

  permitsPrefix(): boolean {
    return true;
  }

  permitsEverywhere(): boolean {
    return true;
  }

  permitsSomewhere(): boolean {
    return true;
  }

  /** Nothing is ever taken away. */
  whilePermitted(): () => void {
    return () => {};
  }

  deny(needed: number, _namespace: string, field?: string): CacheError {
    return permissionDenied(needed, field);
  }

  acted(action: AuditedAction, namespace: string): void {
    this.#audit.record(action, this.principal, { namespace });
  }
}
