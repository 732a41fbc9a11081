#!/usr/bin/env node
/**
 * The `meshcache` executable. Complains of a Node that is too old before it loads what such a Node cannot. A server is
 * started anew in this process with V8's flags for one: most of them count only from the start, and `env` of Alpine passes
 * none. Every other command runs as it is.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { nodeComplaint } from "../common/node-version.ts";
import { EXIT } from "./output/exit-codes.ts";
import { SERVER_ENVIRONMENT } from "./server-environment.ts";
import { SERVER_V8_FLAGS } from "./v8-flags.ts";

const complaint = nodeComplaint(process.versions.node);
if (complaint !== undefined) {
  process.stderr.write(`meshcache: ${complaint}\n`);
  process.exit(EXIT.usage);
}
const hasFlags = SERVER_V8_FLAGS.every((flag) => process.execArgv.includes(flag));
if (process.argv[2] === "serve" && !hasFlags) startWithFlags();
await import("./main.ts");

/** Returns where a process cannot replace its program (Windows), with the flags that may be set late. */
function startWithFlags(): void {
  // Flags of the user come last and win.
  const args = [
    ...SERVER_V8_FLAGS,
    ...process.execArgv,
    fileURLToPath(import.meta.url),
    ...process.argv.slice(2),
  ];
  // From the sources this file would be stripped of its types again, for which Node loads a compiler.
  const NODE_COMPILE_CACHE = join(tmpdir(), "node-compile-cache");
  // What the user has set comes last and wins.
  const environment = { ...SERVER_ENVIRONMENT, NODE_COMPILE_CACHE, ...process.env };
  process.execve?.(process.execPath, [process.argv0, ...args], environment);
  for (const flag of SERVER_V8_FLAGS) setFlagsFromString(flag);
}
