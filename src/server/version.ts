/** The version of the installed package, as its manifest says. */
import { readFileSync } from "node:fs";
// A member of the default export: an older Node that lacks it must still come to say which Node is needed.
import nodeModule from "node:module";

export function packageVersion(): string {
  const path = nodeModule.findPackageJSON("..", import.meta.url);
  if (path === undefined) return "unknown";
  const manifest: unknown = JSON.parse(readFileSync(path, "utf8"));
  const named = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return named ? String(manifest.version) : "unknown";
}
