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
