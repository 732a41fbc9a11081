/** Why a command could not connect to its server, in words for the command line. */
import type { CacheError } from "../../common/errors.ts";
import {
  adviceFor,
  type ConnectionProblem,
  type Diagnosis,
  diagnoseService,
  isConnectionProblem,
  type OptionWords,
} from "../../rpc/connection-problem.ts";
import { CliError, EXIT } from "../output/exit-codes.ts";
import { probe } from "./probe.ts";

const WORDS: OptionWords = { address: "--address", tls: "--tls-ca" };

/** Something answers there, and is no meshcache that this command can talk to. */
const ANSWERS: ReadonlySet<ConnectionProblem> = new Set([
  "needsTls",
  "noTls",
  "certificate",
  "clientRefused",
  "wrongProtocol",
  "wrongService",
]);

/** Undefined: the error is of something else than of connecting. `usesTls`: the command has spoken TLS. */
export async function toUnreachable(
  error: CacheError,
  address: string,
  usesTls: boolean,
): Promise<CliError | undefined> {
  const found = await diagnose(error, address, usesTls);
  if (found === undefined) return undefined;
  const { problem, what } = found;
  const who = ANSWERS.has(problem) ? "no meshcache server answers" : "no server answers";
  const message = `${who} at ${address} (${what}); ${adviceFor(problem, WORDS)}`;
  const detail = { address, problem, cause: what };
  return new CliError(EXIT.unavailable, "UNAVAILABLE", message, { detail, cause: error });
}

async function diagnose(
  error: CacheError,
  address: string,
  usesTls: boolean,
): Promise<Diagnosis | undefined> {
  // Of the client library, which has looked already.
  const { problem, cause: what } = error.detail;
  if (isConnectionProblem(problem) && what !== undefined) return { problem, what };
  const { cause } = error;
  if (!isServiceError(cause)) return undefined;
  const found = diagnoseService(cause);
  if (usesTls) return found;
  if (found?.problem === "closed" || found?.problem === "wrongProtocol" || isUnclear(found, error)) {
    return (await probe(address)) ?? found;
  }
  return found;
}

/** grpc-js says UNAVAILABLE of much, such as of an answer that is no gRPC. */
const isUnclear = (found: Diagnosis | undefined, error: CacheError): boolean =>
  found === undefined && error.reason === "UNAVAILABLE";

function isServiceError(error: unknown): error is { readonly code: number; readonly details: string } {
  return (
    error instanceof Error &&
    "code" in error &&
    "details" in error &&
    typeof error.code === "number" &&
    typeof error.details === "string"
  );
}
