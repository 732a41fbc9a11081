/** Where the programs of the proxies are: named by a variable, in the folder that .ci/proxies fills, or on the path. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export const PROXY_KINDS = ["envoy", "nginx", "haproxy"] as const;
export type ProxyKind = (typeof PROXY_KINDS)[number];

const VARIABLES: Readonly<Record<ProxyKind, string>> = {
  envoy: "ENVOY_BIN",
  nginx: "NGINX_BIN",
  haproxy: "HAPROXY_BIN",
};

/** Filled by .ci/proxies. */
const FOLDER = ".cache/proxies";

/** Undefined: it is not on this machine. */
export function programOf(kind: ProxyKind): string | undefined {
  const named = process.env[VARIABLES[kind]];
  if (named !== undefined) return named;
  const path = (process.env.PATH ?? "").split(delimiter);
  return [FOLDER, ...path, "/usr/sbin"].map((folder) => join(folder, kind)).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
