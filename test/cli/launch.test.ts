/** The executable from outside: the Node that it refuses, the flags that it starts a server with, and what it passes on. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { SERVER_ENVIRONMENT } from "../../src/cli/server-environment.ts";
import { SERVER_V8_FLAGS } from "../../src/cli/v8-flags.ts";
import { Captured } from "../support/command-line.ts";

const LAUNCH = "src/cli/launch.ts";
const SERVE = ["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--workers", "1"];
/** A process that takes itself for Node 20. */
const NODE_20 = `--import=data:text/javascript,${encodeURIComponent(
  'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.0" } })',
)}`;

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function serve(...nodeArgs: string[]) {
  const child = spawn(process.execPath, [...nodeArgs, LAUNCH, ...SERVE], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  const [stdout, stderr] = [new Captured(), new Captured()];
  child.stdout.pipe(stdout);
  child.stderr.pipe(stderr);
  await stdout.until(/Try it/);
  return { child, stderr };
}

describe("meshcache on an old Node", () => {
  it.each([["--version"], ["serve"], ["get"]])("says in one line which Node %s needs", (command) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [NODE_20, LAUNCH, command], {
      encoding: "utf8",
    });
    expect(stderr).toBe("meshcache: needs Node.js 22.18 or later, and this is Node.js 20.19.0\n");
    expect([stdout, status]).toEqual(["", 2]);
  });

  it.each(["testing", "server"])("says so to who imports meshcache/%s, before anything else", (entry) => {
    const script = `await import("./src/${entry}/index.ts").catch(({ message }) => console.log(message))`;
    const argv = [NODE_20, "--input-type=module", "--eval", script];
    const { stdout } = spawnSync(process.execPath, argv, { encoding: "utf8" });
    expect(stdout).toBe("meshcache needs Node.js 22.18 or later, and this is Node.js 20.19.0\n");
  });
});

describe("meshcache serve", () => {
  it("is one process, which gets the signals, and exits with its code", async () => {
    const { child, stderr } = await serve();
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(stderr.text()).toContain('"msg":"stopped"');
    expect(stderr.text()).not.toContain("Warning");
  });

  it.skipIf(!existsSync("/proc/self/cmdline"))(
    "runs with the flags, and then those that Node was given",
    async () => {
      const { child } = await serve("--max-old-space-size=300");
      const [, ...args] = readFileSync(`/proc/${child.pid}/cmdline`, "utf8").split("\0");
      expect(args.slice(0, SERVER_V8_FLAGS.length + 1)).toEqual([
        ...SERVER_V8_FLAGS,
        "--max-old-space-size=300",
      ]);
      expect(args.slice(-SERVE.length - 1, -1)).toEqual(SERVE);
    },
  );

  it.skipIf(!existsSync("/proc/self/environ"))(
    "runs with the settings of the allocator, unless they are set already",
    async () => {
      const { child } = await serve();
      const environment = readFileSync(`/proc/${child.pid}/environ`, "utf8").split("\0");
      for (const [name, value] of Object.entries(SERVER_ENVIRONMENT)) {
        expect(environment).toContain(`${name}=${process.env[name] ?? value}`);
      }
    },
  );

  it("passes the exit code of a refused setting on", () => {
    const argv = [LAUNCH, "serve", "--listen", "nowhere"];
    const { status, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8" });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^meshcache: /);
  });
});
