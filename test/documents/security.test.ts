/** docs/security.md Ten minutes on one machine: all of its commands in one bash, as a reader runs them, on another port and folder. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { freeAddress } from "../support/free-port.ts";
import { toPage } from "./pages.ts";
import { isOnPath, missingLines, PATIENCE_MS, runInTerminal, stepsOf } from "./shell.ts";

const PAGE = "docs/security.md";
const HEADING = "## Ten minutes on one machine\n";
const FOLDER = "/tmp/meshcache-tls";

it.skipIf(!["openssl", "script"].every(isOnPath))(
  "the ten minutes of docs/security.md are as they are told",
  async () => {
    const [, part = ""] = readFileSync(PAGE, "utf8").split(HEADING);
    const { blocks } = toPage(PAGE, part.slice(0, part.indexOf("\n## ")));
    const steps = blocks.flatMap(stepsOf);
    const folder = mkdtempSync(join(tmpdir(), "meshcache-walk-"));
    const address = await freeAddress();
    const env = {
      ...Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !/^(MESHCACHE|OTEL|VITEST)/.test(name)),
      ),
      MESHCACHE_LISTEN: address,
      MESHCACHE_ADMIN: "127.0.0.1:0",
      MESHCACHE_ADDRESS: address,
      MESHCACHE_WORKERS: "1",
      TERM: "dumb",
      COLUMNS: "200",
    };
    const prepare = "trap 'kill $(jobs -p) 2> /dev/null; wait' EXIT";
    const commands = [prepare, ...steps.map(({ command }) => command.replaceAll(FOLDER, folder))];
    try {
      const { exitCode, output, parts } = await runInTerminal(commands, env);
      expect(exitCode, output).toBe(0);
      expect(steps.filter((step) => step.output.length > 0).length).toBeGreaterThan(5);
      for (const [index, step] of steps.entries()) {
        const printed = parts[index + 1] ?? "";
        expect(missingLines(step.output, printed), `${step.command} printed:\n${printed}`).toEqual([]);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  PATIENCE_MS,
);
