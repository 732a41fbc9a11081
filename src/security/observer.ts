/** Whether whoever asks for the metrics of a server may have them: the rule of Stats. */
import { CacheError } from "../common/errors.ts";
import { NEEDS } from "./access/access.ts";
import type { Authenticator, CallOrigin } from "./identity/authenticator.ts";
import type { Principal } from "./identity/principal.ts";

export interface Observer {
  /** Whose client certificate its connection has shown. */
  readonly peer: Principal | undefined;
  /** The header of the request. */
  readonly authorization: string | undefined;
  readonly connection: CallOrigin;
}

const PATH = "/metrics";

/** Undefined: it may. Otherwise UNAUTHENTICATED, UNAVAILABLE, LIMIT_EXCEEDED or PERMISSION_DENIED. */
export function refusalOfObserver(
  authenticator: Authenticator,
  { peer, authorization, connection }: Observer,
): CacheError | undefined {
  const found = authenticator.authenticate(PATH, authorization, peer, connection);
  if (found instanceof CacheError) return found;
  const access = found?.access;
  if (access === undefined || access.permitsEverywhere(NEEDS.stats)) return undefined;
  return access.deny(NEEDS.stats, "");
}
