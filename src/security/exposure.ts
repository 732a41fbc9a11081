/** Where a server may listen: beyond loopback only encrypted and with identities, unless it is told otherwise. */

import { isLoopback } from "../common/host-port.ts";

export interface Exposure {
  /** The host it listens on. */
  readonly host: string;
  readonly encrypts: boolean;
  /** It learns who its clients are, and refuses others. */
  readonly identifies: boolean;
  /** It may listen beyond loopback without TLS: somebody else encrypts, such as a sidecar. */
  readonly plaintext: boolean;
  /** It may listen beyond loopback without identities. */
  readonly anonymous: boolean;
}

/** What is missing. */
export type Missing = "tls" | "identity";

export function missingProtection(exposure: Exposure): Missing | undefined {
  if (isLoopback(exposure.host)) return undefined;
  if (!exposure.encrypts && !exposure.plaintext) return "tls";
  return exposure.identifies || exposure.anonymous ? undefined : "identity";
}
