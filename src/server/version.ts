/** Reads the version of the installed package from its manifest. */
import { readFileSync } from "node:fs";
import { findPackageJSON } from "node:module";

export function packageVersion(): string {
  const path = findPackageJSON("..", import.meta.url);
  if (path === undefined) return "unknown";
  const manifest: unknown = JSON.parse(readFileSync(path, "utf8"));
  const named = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return named ? String(manifest.version) : "unknown";
}
