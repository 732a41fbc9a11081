/** TLS and the token of the commands: what --tls-ca, --tls-cert, --tls-key, --tls-server-name and --token-file ask for. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import { isLoopbackAddress, parseServerAddress } from "../../common/host-port.ts";
import { type ClientTlsOptions, createClientTls } from "../../security/tls/client-tls.ts";
import { CliError, EXIT, usageError } from "../output/exit-codes.ts";

export interface TlsFlags {
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsServerName?: string;
  readonly tokenFile?: string;
  readonly plaintext?: boolean;
}

/** Undefined: without TLS. */
export function toClientTls(flags: TlsFlags): ClientTlsOptions | undefined {
  const { tlsCa: ca, tlsCert: cert, tlsKey: key, tlsServerName: serverName } = flags;
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  if ((cert === undefined) !== (key === undefined)) throw usageError("--tls-cert and --tls-key go together");
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

/**
 * Undefined: without a token. Throws a CliError for a file that cannot be read, and where whoever is on the wire could read the
 * token.
 */
export function readToken(
  { tokenFile, plaintext }: TlsFlags,
  tls: ClientTlsOptions | undefined,
  address: string,
): string | undefined {
  if (tokenFile === undefined) return undefined;
  if (tls === undefined && plaintext !== true && !isLoopbackAddress(address)) {
    throw usageError(
      `--token-file for ${address}, which is not loopback, needs TLS (--tls-ca), or --plaintext where a sidecar or the network encrypts`,
    );
  }
  try {
    return readFileSync(tokenFile, "utf8").trim();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "error";
    const message = `--token-file ${tokenFile} cannot be read (${code})`;
    throw new CliError(EXIT.noFile, "NO_FILE", message, { cause });
  }
}

/** Throws FIELD_INVALID for files that cannot be used. */
export function toCredentials(tls: ClientTlsOptions | undefined, address: string): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const host = parseServerAddress(address)?.host ?? "";
  const { ca, cert, key, checkServerIdentity } = createClientTls(tls).connectOptions(host);
  const bytes = (text: unknown) => (typeof text === "string" ? Buffer.from(text) : null);
  const check = checkServerIdentity && { checkServerIdentity };
  return credentials.createSsl(bytes(ca), bytes(key), bytes(cert), check);
}

/**
 * The name that is asked of the server (SNI), where it is not the host of its address. Which name its certificate must have is
 * checked apart from that. An IP address is no name: Node would warn of it.
 */
export function targetName(
  tls: ClientTlsOptions | undefined,
  address: string,
): { "grpc.ssl_target_name_override"?: string } {
  if (tls === undefined) return {};
  const name = tls.serverName ?? parseServerAddress(address)?.host ?? "";
  return { "grpc.ssl_target_name_override": isIP(name) || name.includes("/") ? "localhost" : name };
}
