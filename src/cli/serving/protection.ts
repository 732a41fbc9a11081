/** What protects the gRPC port, in words for whoever starts it. */
import { isLoopbackAddress } from "../../common/host-port.ts";
import type { Settings } from "../settings/settings.ts";

export interface Protection {
  readonly tls: boolean;
  /** How clients show who they are. Empty: not at all. */
  readonly identities: readonly string[];
  readonly policy: boolean;
  /** One line. */
  readonly summary: string;
  /** What is missing although others can reach the port. Undefined: nothing. */
  readonly warning: string | undefined;
}

/** `address`: where it listens. */
export function protectionOf(settings: Settings, address: string): Protection {
  const tls = settings.tlsCert !== "";
  const identities = [
    ...(settings.tlsClientCa === "" ? [] : ["client certificates"]),
    ...(settings.tokens === "" ? [] : ["tokens"]),
    ...(settings.jwtIssuers === "" ? [] : ["JSON Web Tokens"]),
  ];
  const policy = settings.policy !== "";
  const isAnonymous = identities.length === 0;
  const summary = [
    ...(isLoopbackAddress(address) ? ["loopback only"] : []),
    tls ? "TLS" : "plaintext",
    isAnonymous ? "anonymous" : `identity by ${identities.join(" or ")}`,
    policy ? "permissions by a policy" : `${isAnonymous ? "everybody" : "all of them"} may do everything`,
  ].join(", ");
  const risks = [
    ...(tls ? [] : ["whoever is on the wire reads everything (plaintext)"]),
    ...(isAnonymous ? ["whoever reaches the port may do everything (anonymous)"] : []),
  ];
  const isExposed = !isLoopbackAddress(address) && risks.length > 0;
  return { tls, identities, policy, summary, warning: isExposed ? risks.join(", and ") : undefined };
}
