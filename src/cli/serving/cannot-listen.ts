/** The error of a server that cannot listen where it should. */
import { CliError, EXIT } from "../output/exit-codes.ts";

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "something else listens there",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "not permitted",
  ENOTFOUND: "no such host",
};

export function cannotListen(
  setting: "listen" | "http" | "admin",
  address: string,
  error: unknown,
  advice = "",
): CliError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const why = REASONS[code] ?? (error instanceof Error ? error.message : String(error));
  const message = `cannot listen on ${address}: ${why}; --${setting} names another address${advice}`;
  return new CliError(EXIT.unavailable, "CANNOT_LISTEN", message, { cause: error });
}
