/** The files of the console: beside this module in the package, in `dist/` of the sources, or within the single executable file. */
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, relative, sep } from "node:path";
import { getAsset, getRawAsset, isSea } from "node:sea";
import { fileURLToPath } from "node:url";
import type { PageFile, PageFiles } from "../../gateway/console-page.ts";

/** The asset of the single executable file that lists those of the console: a JSON array of their paths. */
export const CONSOLE_LIST_ASSET = "console.json";
/** The asset of a file of the console is named by its path behind this. */
export const CONSOLE_ASSET_PREFIX = "console/";

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".json": "application/json",
};

/** Empty: the page was not built. */
export function readConsoleFiles(): PageFiles {
  return isSea() ? readAssets() : readFolder(fileURLToPath(consoleFolder()));
}

/** The build has the page beside the sources that it has made, and the sources have it in their build. */
function consoleFolder(): URL {
  const isSource = import.meta.url.endsWith(".ts");
  return new URL(isSource ? "../../../dist/console/" : "../../../console/", import.meta.url);
}

export function readFolder(folder: string): PageFiles {
  const files = new Map<string, PageFile>();
  try {
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(relative(folder, path).split(sep).join("/"), toFile(path, readFileSync(path)));
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return files;
}

function readAssets(): PageFiles {
  const paths: unknown = JSON.parse(getAsset(CONSOLE_LIST_ASSET, "utf8"));
  const names = Array.isArray(paths) ? paths.map(String) : [];
  return new Map(
    names.map((path) => [path, toFile(path, new Uint8Array(getRawAsset(CONSOLE_ASSET_PREFIX + path)))]),
  );
}

function toFile(path: string, bytes: Uint8Array): PageFile {
  return { bytes, contentType: CONTENT_TYPES[extname(path)] ?? "application/octet-stream" };
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
