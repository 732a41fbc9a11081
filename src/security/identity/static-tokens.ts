/**
 * Static tokens, of which the server knows only the SHA-256. A file has one on each line: a name, a space and 64 hexadecimal digits.
 * Empty lines, and what follows a "#", are left out.
 */
import { hash } from "node:crypto";
import { CacheError } from "../../common/errors.ts";
import { Principal } from "./principal.ts";

const LINE = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63})\s+([0-9a-fA-F]{64})$/;
const TOKENS_MAX = 10_000;

/** Principals by the SHA-256 of their tokens, as lower-case hexadecimal digits. One principal may have several. */
export type StaticTokens = ReadonlyMap<string, Principal>;

/** Throws FIELD_INVALID that names all faulty lines by number, and repeats none of them. */
export function readStaticTokens(field: string, text: string): StaticTokens {
  const tokens = new Map<string, Principal>();
  const faults: string[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.replace(/#.*/, "").trim();
    if (line === "") continue;
    const [, name, digest] = LINE.exec(line) ?? [];
    if (name === undefined || digest === undefined) faults.push(`line ${index + 1} is no name and SHA-256`);
    else if (tokens.has(digest.toLowerCase())) faults.push(`line ${index + 1} repeats a token`);
    else tokens.set(digest.toLowerCase(), new Principal(`token:${name}`, Number.POSITIVE_INFINITY));
  }
  if (tokens.size > TOKENS_MAX) faults.push(`there are more than ${TOKENS_MAX} tokens`);
  if (faults.length === 0) return tokens;
  const bound = `lines of a name and the SHA-256 of a token: ${faults.join(", ")}`;
  throw new CacheError("FIELD_INVALID", `${field} must be ${bound}`, { field, bound });
}

export function digestOf(token: string): string {
  return hash("sha256", token, "hex");
}

/** Tokens that are not in the new list are revoked; the others keep their principals, and with them their calls. */
export function replaceTokens(former: StaticTokens, next: StaticTokens): StaticTokens {
  const kept = new Map<string, Principal>();
  for (const [digest, principal] of next) {
    const known = former.get(digest);
    kept.set(digest, known?.name === principal.name ? known : principal);
  }
  for (const [digest, principal] of former) if (kept.get(digest) !== principal) principal.revoke();
  return kept;
}
