/** What the settings say of security, for each port. */
import type { SecurityOptions } from "../../security/security.ts";
import type { Settings } from "../settings/settings.ts";

/** Of the gRPC port. */
export function securityOptions(settings: Settings): SecurityOptions {
  const {
    plaintext,
    anonymous,
    securityReloadMs: reloadMs,
    tlsCert,
    tlsKey,
    tlsClientCa,
    tlsMinVersion,
    tokens,
    jwtIssuers,
    policy,
  } = settings;
  const common = {
    plaintext,
    anonymous,
    reloadMs,
    ...(tokens === "" ? {} : { tokens }),
    ...(jwtIssuers === "" ? {} : { jwtIssuers }),
    ...(policy === "" ? {} : { policy }),
  };
  if (tlsCert === "") return common;
  const clientCa = tlsClientCa === "" ? {} : { clientCa: tlsClientCa };
  return { ...common, tls: { cert: tlsCert, key: tlsKey, minVersion: tlsMinVersion, ...clientCa } };
}

/**
 * Of who asks on the admin port. Where that listens, and whether in the clear, is checked with its own options. Where nobody can show who
 * they are there, no policy decides.
 */
export function consoleSecurityOptions(settings: Settings): SecurityOptions {
  const { tls, policy, ...others } = securityOptions(settings);
  const encrypts = settings.adminTls === "on" && tls !== undefined;
  const decides = policy !== undefined && !consoleLacksIdentity(settings);
  return {
    ...others,
    ...(encrypts && { tls }),
    ...(decides && { policy }),
    plaintext: true,
    anonymous: true,
  };
}

/** Whether the server knows its callers, and the admin port does not: it has no way to be shown who they are. */
export function consoleLacksIdentity(settings: Settings): boolean {
  const { tlsClientCa, tokens, jwtIssuers, adminTls } = settings;
  return tlsClientCa !== "" && tokens === "" && jwtIssuers === "" && adminTls === "off";
}

/** Of the admin port. */
export function adminSecurityOptions(settings: Settings): SecurityOptions {
  const {
    tls,
    tokens: _tokens,
    jwtIssuers: _issuers,
    policy: _policy,
    ...others
  } = securityOptions(settings);
  return settings.adminTls === "off" || tls === undefined ? others : { ...others, tls };
}
