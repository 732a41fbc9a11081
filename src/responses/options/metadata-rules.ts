/** Which metadata of a call its response may depend on: what is ignored, what is part of the key, and what bypasses the cache. */

/**
 * Metadata that no response depends on: of traces, of the transport and of the protocol. They need not be named. All of
 * `grpc-*` and `connect-*` is of the protocols.
 */
const IGNORED: ReadonlySet<string> = new Set([
  "traceparent",
  "tracestate",
  "user-agent",
  "te",
  "host",
  "content-type",
  "content-length",
  "content-encoding",
  "accept-encoding",
  "connection",
  "keep-alive",
  "transfer-encoding",
  "x-user-agent",
]);

/** Metadata that says who calls. `sharing` of a method decides about it. */
const CREDENTIALS: ReadonlySet<string> = new Set(["authorization", "cookie"]);

export type MetadataUse = "ignored" | "credentials" | "varies" | "undeclared";

export class MetadataRules {
  readonly #uses = new Map<string, MetadataUse>();

  constructor(vary: readonly string[], ignore: readonly string[]) {
    for (const name of ignore) this.#uses.set(name, "ignored");
    for (const name of IGNORED) this.#uses.set(name, "ignored");
    for (const name of vary) this.#uses.set(name, "varies");
    for (const name of CREDENTIALS) this.#uses.set(name, "credentials");
  }

  /** `name` is in lower case. */
  useOf(name: string): MetadataUse {
    const use = this.#uses.get(name);
    if (use !== undefined) return use;
    return name.startsWith("grpc-") || name.startsWith("connect-") ? "ignored" : "undeclared";
  }
}

const NAME = /^[0-9a-z_.-]{1,128}$/;

/** What is wrong with a name of an option, in words for an error that begins with it. */
export function metadataFault(name: string, option: "vary" | "other"): string | undefined {
  if (!NAME.test(name)) return "is no name of metadata in lower case, of at most 128 bytes";
  if (name.endsWith("-bin") && option === "vary") return "has bytes: a response may depend on text alone";
  if (CREDENTIALS.has(name)) return "says who calls: `sharing` is about it";
  return undefined;
}
