/** A response as the cache keeps it, with what its headers have said about its use, so that a hit need not read them again. */
import type { Codec } from "../../client/api/codecs.ts";
import { fromFrame, toFrame } from "./framed.ts";
import type { RawHeaders } from "./header-fields.ts";

export interface StoredResponse {
  readonly kind: "response";
  readonly status: number;
  readonly statusMessage: string;
  /** Without fields of the connection, and without Age: the entry says how old it is. */
  readonly headers: RawHeaders;
  /** How old it was when it was stored. */
  readonly initialAgeMs: number;
  readonly lifetimeMs: number;
  readonly use: ReuseRules;
  /** The headers of the request that have selected it, and their values as one name. */
  readonly vary: readonly string[];
  readonly variant: string;
  /** Bytes as latin1, so that all readers can share them. */
  readonly body: string;
}

export interface ReuseRules {
  /** `no-cache`: ask the origin before each use. */
  readonly validate: boolean;
  /** It must not be served stale, whatever happens. */
  readonly staleForbidden: boolean;
  readonly staleWhileRevalidateMs: number;
  /** Undefined: it says nothing of errors. */
  readonly staleIfErrorMs: number | undefined;
  /** It may answer requests with Authorization. */
  readonly authorized: boolean;
}

/** Responses of this key are not to be kept, so requests need not wait for each other. */
export interface Passed {
  readonly kind: "passed";
}

export type Stored = StoredResponse | Passed;

export const PASSED: Passed = Object.freeze({ kind: "passed" });

/** The form, in the first byte. */
const FORM = { passed: 0, response: 1 } as const;

export const storedCodec: Codec<Stored> = {
  name: "http",
  contentType: "application/vnd.meshcache.http",
  encode(stored) {
    if (stored.kind === "passed") return Buffer.of(FORM.passed);
    const { kind: _, body, ...head } = stored;
    return toFrame(FORM.response, head, Buffer.from(body, "latin1"));
  },
  decode(encoded) {
    const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
    if (bytes[0] === FORM.passed) return PASSED;
    const { head, body } = fromFrame(FORM.response, bytes);
    const { headers, use } = head as Partial<StoredResponse>;
    if (!Array.isArray(headers) || typeof use !== "object") throw new TypeError("it is no stored response");
    return {
      kind: "response",
      ...(head as Omit<StoredResponse, "kind" | "body">),
      body: body.toString("latin1"),
    };
  },
};
