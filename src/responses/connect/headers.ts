/** Headers of Connect as the cache of responses sees them. */
import type { Metadatum } from "../answer.ts";
import type { CallMetadata } from "../caller-variant.ts";

export function toCallMetadata(headers: Headers): CallMetadata {
  return {
    names: headers.keys(),
    valuesOf: (name) => {
      const value = headers.get(name);
      return value === null ? [] : [value];
    },
  };
}

export function toList(headers: Headers): Metadatum[] {
  return Array.from(headers, ([name, value]) => ({
    name,
    value: name.endsWith("-bin") ? Buffer.from(value, "base64") : value,
  }));
}

export function toHeaders(list: readonly Metadatum[]): Headers {
  const headers = new Headers();
  for (const { name, value } of list)
    headers.append(
      name,
      typeof value === "string" ? value : Buffer.from(value).toString("base64").replace(/=+$/, ""),
    );
  return headers;
}
