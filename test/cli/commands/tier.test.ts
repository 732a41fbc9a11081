import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EXIT } from "../../../src/cli/output/exit-codes.ts";
import { runCommand, startCommand } from "../../support/command-line.ts";
import { describeEngines } from "../../support/engine/describe-engines.ts";
import { eventually } from "../../support/eventually.ts";

const SERVED = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

describeEngines(
  "meshcache on a tier",
  (engine) => {
    const tier = () => `valkey://${engine.cluster.addresses[0]}`;

    it("serves, over the password of a user too, and says so at its admin port", async () => {
      const folder = mkdtempSync(join(tmpdir(), "meshcache-tier-"));
      const password = join(folder, "password");
      writeFileSync(password, "right\n");
      for (const node of engine.cluster.nodes) {
        await using connection = await node.connect();
        await connection.call("ACL", "SETUSER", "mesh", "on", ">right", "~*", "&*", "+@all");
      }
      const server = startCommand([
        "serve",
        ...SERVED,
        "--tier",
        tier(),
        "--tier-user",
        "mesh",
        "--tier-password-file",
        password,
      ]);
      await server.stdout.until(/Try it/);
      const address = /listens on (\S+)/.exec(server.stdout.text())?.[1] ?? "";
      const admin = /health on (\S+)/.exec(server.stdout.text())?.[1] ?? "";
      await eventually(async () => expect(await (await fetch(`${admin}/readyz`)).text()).toBe("ready\n"));
      expect((await runCommand(["set", "k", "v", "--address", address])).exitCode).toBe(EXIT.ok);
      expect((await runCommand(["get", "k", "--address", address])).stdout).toBe("v");
      server.interrupt("SIGTERM");
      expect(await server.exitCode).toBe(EXIT.ok);
      rmSync(folder, { recursive: true });
    });

    it("ends with the reason where the engine refuses it, and says it while it waits", async () => {
      const folder = mkdtempSync(join(tmpdir(), "meshcache-tier-"));
      const password = join(folder, "password");
      writeFileSync(password, "wrong");
      const argv = [
        "serve",
        ...SERVED,
        "--tier",
        tier(),
        "--tier-user",
        "mesh",
        "--tier-password-file",
        password,
      ];
      const ended = await runCommand([...argv, "--tier-start", "exit", "--tier-operation-max-ms", "500"]);
      expect(ended.exitCode).toBe(EXIT.unavailable);
      expect(ended.stderr).toMatch(
        /the tier cannot be used: engine: the engine refuses this server: WRONGPASS/,
      );
      const waiting = startCommand(argv);
      await waiting.stderr.until(/the engine refuses this server: WRONGPASS/);
      waiting.interrupt("SIGTERM");
      expect(await waiting.exitCode).toBe(EXIT.ok);
      expect(waiting.stdout.text()).toBe("");
      rmSync(folder, { recursive: true });
    });

    it("refuses an engine that may evict what is no entry", async () => {
      await engine.connection.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
      const ended = await runCommand([
        "serve",
        ...SERVED,
        "--tier",
        tier(),
        "--tier-start",
        "exit",
        "--tier-operation-max-ms",
        "500",
      ]);
      expect(ended.stderr).toContain(
        "the engine evicts by allkeys-lru: set maxmemory-policy to volatile-lru",
      );
      const checked = await runCommand(["tier", "check", "--tier", tier()]);
      expect(checked.exitCode).toBe(EXIT.negative);
      expect(checked.stdout).toMatch(
        /FAULT .*maxmemory-policy: allkeys-lru +→ CONFIG SET maxmemory-policy volatile-lru/,
      );
      await engine.connection.call("CONFIG", "SET", "maxmemory-policy", "noeviction");
    });

    it("is examined node by node, with what mends it", async () => {
      const { stdout } = await runCommand(["tier", "check", "--tier", tier(), "--json"]);
      const { findings } = JSON.parse(stdout);
      const faultOf = (subject: string) =>
        findings.find((one: { subject: string }) => one.subject === subject)?.fix;
      expect(faultOf("version")).toBeUndefined();
      expect(faultOf("shards with a node")).toBeUndefined();
      expect(faultOf("primaries without a replica")).toMatch(/^add a replica to 127\.0\.0\.1:/);
      expect(faultOf("client-output-buffer-limit pubsub")).toMatch(/^CONFIG SET client-output-buffer-limit/);
    });

    it("shows its shards", async () => {
      await eventually(async () => {
        const { exitCode, stdout } = await runCommand(["tier", "status", "--tier", tier()]);
        expect(exitCode).toBe(EXIT.ok);
        expect(stdout).toContain("64 of 64 shards with a writer");
      });
    });
  },
  { primaries: 2 },
);

describe("meshcache tier", () => {
  it("says where no engine is", async () => {
    const { exitCode, stderr } = await runCommand(["tier", "check", "--tier", "valkey://127.0.0.1:1"]);
    expect(exitCode).toBe(EXIT.unavailable);
    expect(stderr).toContain("the engine cannot be looked at: the engine cannot be reached");
  });

  it("asks for an address", async () => {
    expect((await runCommand(["tier", "check"])).exitCode).toBe(EXIT.usage);
  });
});
