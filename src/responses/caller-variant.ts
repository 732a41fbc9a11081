/** What of a call beside its request its answer may depend on: declared metadata, and who calls. */
import { Sharing } from "../../gen/meshcache/options/v1/caching_pb.ts";
import { UNSET } from "./options/canonical-text.ts";
import type { ReadRule } from "./options/read-rule.ts";
import { hash } from "./options/request-key.ts";

/** The metadata of a call. */
export interface CallMetadata {
  /** In lower case. */
  readonly names: Iterable<string>;
  valuesOf(name: string): readonly (string | Uint8Array)[];
}

/** What says who calls, beside metadata: a certificate, or its hash, as text; "hidden": it cannot be seen here. */
export type OtherCredentials = { readonly text: string } | "hidden" | undefined;

/** What the key has for the metadata and the caller; undefined: the answer may depend on what is not declared. */
export function variantOf(
  rule: ReadRule,
  metadata: CallMetadata,
  other: OtherCredentials,
): string | undefined {
  let credentials: string[] | undefined;
  let varies = false;
  for (const name of metadata.names) {
    switch (rule.metadata.useOf(name)) {
      case "undeclared":
        return undefined;
      case "credentials":
        credentials ??= [];
        credentials.push(`${name}=${JSON.stringify(metadata.valuesOf(name).map(String))}`);
        break;
      case "varies":
        varies = true;
        break;
      case "ignored":
    }
  }
  if (credentials === undefined && other === undefined && !varies) return "";
  const parts: string[] = [];
  if (rule.sharing !== Sharing.ALL && (credentials !== undefined || other !== undefined)) {
    if (rule.sharing !== Sharing.CALLER || other === "hidden") return undefined;
    const all = [
      ...(credentials ?? []).sort(),
      ...(other === undefined ? [] : [`certificate=${other.text}`]),
    ];
    // Never the credentials themselves: whoever may follow the events of the namespace sees the keys.
    parts.push(`caller=${hash(all.join(";"))}`);
  }
  if (varies) for (const name of rule.vary) parts.push(`${name}=${valuesText(metadata.valuesOf(name))}`);
  return parts.join(",");
}

function valuesText(values: readonly unknown[]): string {
  return values.length === 0 ? UNSET : JSON.stringify(values);
}
