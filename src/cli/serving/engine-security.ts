/** What the settings say of the engine of a tier: TLS, its user and its password. */
import { readFileSync } from "node:fs";
import type { EngineSecurity } from "../../tier/engine/socket.ts";
import { CliError, EXIT } from "../output/exit-codes.ts";
import type { Settings } from "../settings/settings.ts";

/** Throws a CliError for a file that cannot be read. */
export function engineSecurity({
  tierTls,
  tierCa,
  tierCert,
  tierKey,
  tierUser,
  tierPasswordFile,
}: Settings): EngineSecurity {
  const password = tierPasswordFile === "" ? undefined : () => read(tierPasswordFile).toString().trim();
  // A mistake is told at the start, and not by the engine.
  password?.();
  return {
    tls: tierTls
      ? { ca: readOptional(tierCa), cert: readOptional(tierCert), key: readOptional(tierKey) }
      : undefined,
    user: tierUser === "" ? undefined : tierUser,
    password,
  };
}

function readOptional(path: string): Buffer | undefined {
  return path === "" ? undefined : read(path);
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CliError(EXIT.noFile, "FILE", `${path} cannot be read`, { cause: error });
  }
}
