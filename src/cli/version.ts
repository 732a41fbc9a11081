/** The version of this package, as its package.json says it. */
import { readFileSync } from "node:fs";

/** From the sources package.json is two folders up, from dist/ three. */
function readVersion(): string {
  for (const path of ["../../package.json", "../../../package.json"]) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
      if (typeof manifest === "object" && manifest !== null && "version" in manifest)
        return String(manifest.version);
    } catch {
      // Not there: look where the other layout has it.
    }
  }
  return "unknown";
}

export const VERSION: string = readVersion();
