/** The file that names the issuers of tokens. */
import { z } from "zod";
import { isLoopback } from "../../common/host-port.ts";
import { readYaml } from "../files/yaml-file.ts";

export interface Issuer {
  /** Principals of its tokens are "jwt:NAME:SUBJECT". */
  readonly name: string;
  /** The claim `iss` of its tokens. */
  readonly issuer: string;
  /** The claim `aud` must have it. */
  readonly audience: string;
  /** Where its keys are: an URL with https, or the path of a file. */
  readonly jwks: string;
}

const text = (max: number) =>
  z.string({ error: "must be text" }).min(1, "must not be empty").max(max, `has more than ${max} characters`);

const issuersSchema = z.strictObject({
  issuers: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "must be 1 to 64 of [A-Za-z0-9._-]"),
        issuer: text(2_048),
        audience: text(2_048),
        jwks: text(2_048).refine(isKeySource, "must be an https URL, an http URL of loopback, or a path"),
      }),
    )
    .min(1, "must have one at least")
    .max(64, "may have 64 at most"),
});

/** Throws FIELD_INVALID with all faults and their lines. */
export function readIssuers(field: string, yaml: string): readonly Issuer[] {
  return readYaml(field, yaml, issuersSchema, { list: "issuers", keys: ["name", "issuer"] }).value.issuers;
}

export function isUrl(jwks: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(jwks);
}

function isKeySource(jwks: string): boolean {
  if (!isUrl(jwks)) return true;
  if (!URL.canParse(jwks)) return false;
  const { protocol, hostname } = new URL(jwks);
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname.replace(/^\[|\]$/g, "")));
}
