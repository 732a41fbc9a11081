import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type CommandOptions,
  type FinishedCommand,
  runCommand,
  startCommand,
} from "../support/command-line.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";

let running: RunningServer;
let folder: string;

beforeAll(async () => {
  running = await startServer();
  folder = mkdtempSync(join(tmpdir(), "meshcache-cli-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await running.stop();
});

/** Runs a command against the server of the test. */
function mesh(argv: readonly string[], options: CommandOptions = {}): Promise<FinishedCommand> {
  return runCommand(argv, { ...options, env: { MESHCACHE_ADDRESS: running.address, ...options.env } });
}

const jsonOf = ({ stdout }: FinishedCommand): unknown => JSON.parse(stdout);

describe("meshcache set and get", () => {
  it("stores an argument and reads it back", async () => {
    const set = await mesh(["set", "greeting", "hello", "--tag", "demo"]);
    expect(set).toMatchObject({ exitCode: 0, stderr: "" });
    expect(set.stdout).toMatch(/^stored · version \d+ · shard \d+\n$/);
    expect(await mesh(["get", "greeting"])).toMatchObject({ exitCode: 0, stdout: "hello", stderr: "" });
  });

  it("stores any bytes from stdin and reads them back unchanged", async () => {
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) & 0xff);
    expect((await mesh(["set", "raw", "-"], { stdin: bytes })).exitCode).toBe(0);
    expect((await mesh(["get", "raw"])).bytes).toEqual(Buffer.from(bytes));
  });

  it("stores a file", async () => {
    const path = join(folder, "value");
    writeFileSync(path, "from a file\n");
    expect((await mesh(["set", "filed", "--file", path])).exitCode).toBe(0);
    expect((await mesh(["get", "filed"])).stdout).toBe("from a file\n");
  });

  it("shows an escape sequence on a terminal instead of sending it", async () => {
    await mesh(["set", "evil", "-", "--tag", "\u001b[2J"], { stdin: "a\u001b[31mred\nb" });
    const shown = await mesh(["get", "evil"], { tty: true });
    expect(shown.stdout).toBe("a\\u{1b}[31mred\nb\n");
    expect(shown.stderr).toContain("tags \\u{1b}[2J");
    expect(shown.stdout + shown.stderr).not.toContain("\u001b");
  });

  it("writes no binary value to a terminal", async () => {
    await mesh(["set", "binary", "-"], { stdin: Uint8Array.of(0xff, 0xfe) });
    expect((await mesh(["get", "binary"], { tty: true })).stdout).toMatch(
      /^\(2 B of bytes that are not text/,
    );
  });

  it("shows lifetimes and tags on a terminal", async () => {
    await mesh(["set", "aging", "x", "--ttl", "1h", "--stale", "1d", "--tag", "a", "--tag", "b"]);
    expect((await mesh(["get", "aging"], { tty: true })).stderr).toMatch(
      /^version \d+ · set \d+ m?s ago · fresh for (1 h|59 min 59 s), then stale for 1 d · tags a, b · shard \d+\n$/,
    );
  });

  it("prints one line of JSON", async () => {
    await mesh(["set", "json", "-", "--content-type", "text/plain", "--source-version", "7"], {
      stdin: "hé",
    });
    const hit = await mesh(["get", "json", "--json"]);
    expect(hit.stdout.split("\n")).toHaveLength(2);
    expect(jsonOf(hit)).toMatchObject({
      namespace: "default",
      key: "json",
      outcome: "hit",
      value: "aMOp",
      text: "hé",
      sourceVersion: "7",
      contentType: "text/plain",
      ageMs: expect.closeTo(0, -5),
      asOf: { epoch: String(running.server.store.epoch) },
    });
    expect(jsonOf(await mesh(["get", "none", "--json"]))).toMatchObject({ key: "none", outcome: "miss" });
  });

  it("decompresses a value that says how it is compressed, unless it is asked for as it is stored", async () => {
    const zipped = gzipSync("hé");
    await mesh(["set", "zipped", "-", "--content-encoding", "gzip"], { stdin: zipped });
    expect((await mesh(["get", "zipped"])).stdout).toBe("hé");
    expect(await mesh(["get", "zipped"], { tty: true })).toMatchObject({
      stdout: "hé\n",
      stderr: expect.stringContaining("stored as gzip"),
    });
    const plain = { value: "aMOp", text: "hé", contentEncoding: "gzip" };
    expect(jsonOf(await mesh(["get", "zipped", "--json"]))).toMatchObject(plain);
    const raw = jsonOf(await mesh(["get", "zipped", "--json", "--raw"]));
    expect(raw).toMatchObject({ value: zipped.toString("base64"), contentEncoding: "gzip" });
    await mesh(["set", "own", "v", "--content-encoding", "x-own"]);
    expect(await mesh(["get", "own"])).toMatchObject({
      exitCode: 2,
      stdout: "",
      stderr: expect.stringContaining("stored as x-own, which this command does not know"),
    });
    expect((await mesh(["get", "own", "--raw"])).stdout).toBe("v");
    const refused = await mesh(["set", "own", "v", "--content-encoding", "GZIP"]);
    expect(refused).toMatchObject({ exitCode: 4, stderr: expect.stringContaining("content_encoding") });
  });

  it("exits with 1 for a miss, and for an entry that was stored with --absent", async () => {
    expect(await mesh(["get", "none"])).toMatchObject({ exitCode: 1, stdout: "", stderr: "miss\n" });
    await mesh(["set", "ghost", "--absent"]);
    expect(await mesh(["get", "ghost"])).toMatchObject({ exitCode: 1, stdout: "" });
    expect(jsonOf(await mesh(["get", "ghost", "--json"]))).toMatchObject({ outcome: "absent" });
  });

  it("keeps namespaces apart, by option and by variable", async () => {
    await mesh(["set", "same", "one", "--namespace", "one"]);
    await mesh(["set", "same", "two"], { env: { MESHCACHE_NAMESPACE: "two" } });
    expect((await mesh(["get", "same", "--namespace", "one"])).stdout).toBe("one");
    expect((await mesh(["get", "same", "--namespace", "two"])).stdout).toBe("two");
    expect((await mesh(["get", "same"])).exitCode).toBe(1);
  });

  it("exits with 1 when a condition fails, and says which", async () => {
    await mesh(["set", "once", "1", "--if-absent"]);
    expect(await mesh(["set", "once", "2", "--if-absent"])).toMatchObject({
      exitCode: 1,
      stdout: "not stored: there is a fresh entry\n",
    });
    expect(jsonOf(await mesh(["set", "nothing", "2", "--if-present", "--json"]))).toMatchObject({
      outcome: "notStored",
      reason: "ABSENT",
    });
    await mesh(["set", "row", "new", "--source-version", "9"]);
    expect((await mesh(["set", "row", "old", "--source-version", "8"])).stdout).toMatch(
      /greater source version/,
    );
    expect((await mesh(["get", "row"])).stdout).toBe("new");
  });

  it("sets by version, and says when an entry is not modified", async () => {
    const version = String(/version (\d+)/.exec((await mesh(["set", "v", "1"])).stdout)?.[1]);
    expect(await mesh(["get", "v", "--if-version", version])).toMatchObject({
      exitCode: 0,
      stderr: "not modified\n",
    });
    expect((await mesh(["set", "v", "2", "--if-version", version])).exitCode).toBe(0);
    expect((await mesh(["set", "v", "3", "--if-version", version])).stdout).toMatch(/another version/);
  });
});

describe("meshcache invalidate", () => {
  const fill = async (namespace: string) => {
    for (const key of ["user:1", "user:2", "team:1"]) {
      await mesh(["set", key, "x", "--namespace", namespace, "--tag", `${key}-tag`, "--ttl", "1h"]);
    }
  };
  const left = async (namespace: string) => {
    const keys = ["user:1", "user:2", "team:1"];
    const answers = await Promise.all(keys.map((key) => mesh(["get", key, "--namespace", namespace])));
    return keys.filter((_, index) => answers[index]?.exitCode === 0);
  };

  it.each([
    ["keys", ["--key", "user:1", "--key", "none"], ["user:2", "team:1"], /^gone · 1 entry of 2 keys\n$/],
    ["tags", ["--tag", "user:1-tag", "--tag", "team:1-tag"], ["user:2"], /^gone · .*tags on 16 shards\n$/],
    ["prefix", ["--prefix", "user:"], ["team:1"], /^gone · .*prefix on 16 shards\n$/],
    ["all", ["--all"], [], /^gone · every key of namespace all on 16 shards\n$/],
  ])("removes entries by %s", async (namespace, target, survivors, said) => {
    await fill(namespace);
    const result = await mesh(["invalidate", ...target, "--namespace", namespace]);
    expect(result.exitCode).toBe(0);
    expect(result.stdout).toMatch(said);
    expect(await left(namespace)).toEqual(survivors);
  });

  it("marks entries stale with --soft", async () => {
    await fill("soft");
    const { stdout } = await mesh(["invalidate", "--prefix", "user:", "--soft", "--namespace", "soft"]);
    expect(stdout).toMatch(/^stale · /);
    expect(await left("soft")).toEqual(["team:1"]);
    const stale = await mesh(["get", "user:1", "--allow-stale", "--namespace", "soft", "--json"]);
    expect(jsonOf(stale)).toMatchObject({ outcome: "hit", stale: true });
  });

  it("needs exactly one kind of target", async () => {
    for (const argv of [[], ["--key", "a", "--all"], ["--tag", "a", "--prefix", "b"]]) {
      expect(await mesh(["invalidate", ...argv])).toMatchObject({ exitCode: 2, stdout: "" });
    }
  });
});

describe("meshcache touch", () => {
  it("gives new lifetimes, and exits with 1 without a fresh entry", async () => {
    await mesh(["set", "session", "x", "--ttl", "1h"]);
    expect((await mesh(["touch", "session", "--ttl", "2h"])).stdout).toMatch(/^touched · shard \d+\n$/);
    const ttlRemainingMs = expect.closeTo(7_200_000, -5);
    expect(jsonOf(await mesh(["get", "session", "--json"]))).toMatchObject({ ttlRemainingMs });
    expect(await mesh(["touch", "none", "--ttl", "2h"])).toMatchObject({ exitCode: 1 });
  });
});

describe("meshcache incr", () => {
  it("prints the counter, which get reads, and exits with 1 where nothing is added", async () => {
    expect(await mesh(["incr", "visits"])).toMatchObject({ exitCode: 0, stdout: "1\n", stderr: "" });
    expect((await mesh(["incr", "visits", "41"])).stdout).toBe("42\n");
    expect((await mesh(["incr", "visits", "-2"])).stdout).toBe("40\n");
    expect((await mesh(["get", "visits"])).stdout).toBe("40");
    const created = await mesh(["incr", "calls", "0", "--initial", "-5", "--ttl", "1h", "--json"]);
    expect(jsonOf(created)).toMatchObject({
      outcome: "incremented",
      value: "-5",
      created: true,
      ttlRemainingMs: 3_600_000,
    });
    await mesh(["set", "text", "hello"]);
    expect(await mesh(["incr", "text"])).toMatchObject({
      exitCode: 1,
      stdout: "not incremented: the value is no 64-bit whole number as decimal text\n",
    });
    const refusals = [
      ["visits", "9223372036854775807"],
      ["visits", "1", "--if-absent"],
      ["visits", "1", "--if-version", "999999"],
      ["none", "1", "--if-present"],
    ];
    const reasons = await Promise.all(
      refusals.map(async (argv) => jsonOf(await mesh(["incr", ...argv, "--json"]))),
    );
    expect(reasons).toMatchObject(
      ["OVERFLOW", "EXISTS", "VERSION_MISMATCH", "ABSENT"].map((reason) => ({ reason })),
    );
  });
});

describe("meshcache keys", () => {
  it("prints the keys of a namespace, by their prefix, and exits with 1 without any", async () => {
    for (const key of ["user:1", "user:2", "order:1", "line\nfeed"]) {
      await mesh(["set", key, "12345", "--namespace", "listed", "--ttl", "1h"]);
    }
    const listed = async (...argv: string[]) => {
      const { stdout, exitCode } = await mesh(["keys", ...argv, "--namespace", "listed"]);
      return { exitCode, lines: stdout.trim().split("\n").sort() };
    };
    expect(await listed("user:")).toEqual({ exitCode: 0, lines: ["user:1", "user:2"] });
    expect((await listed()).lines).toEqual(["line\\nfeed", "order:1", "user:1", "user:2"]);
    expect((await listed("user:", "--limit", "1")).lines).toHaveLength(1);
    expect(await listed("none")).toEqual({ exitCode: 1, lines: [""] });
    expect(jsonOf(await mesh(["keys", "order", "--namespace", "listed", "--json"]))).toMatchObject({
      key: "order:1",
      valueBytes: 5,
      ttlRemainingMs: expect.closeTo(3_600_000, -5),
      stale: false,
    });
  });
});

describe("meshcache stats", () => {
  it("shows counters to people and to programs", async () => {
    const shown = await mesh(["stats", "--shards"]);
    expect(shown.exitCode).toBe(0);
    expect(shown.stdout).toMatch(
      /^meshcache \S+ at 127\.0\.0\.1:\d+ · up .* · epoch [0-9a-f]+\n {2}entries +[\d,]+ {2}on 16 shards\n/,
    );
    const stats = jsonOf(await mesh(["stats", "--json"]));
    expect(stats).toMatchObject({
      epoch: String(running.server.store.epoch),
      operations: { leases: { granted: 0 } },
    });
  });
});

describe("a command that fails", () => {
  it("reports a refusal of the server on one line, with field and bound", async () => {
    const refused = await mesh(["get", ""]);
    expect(refused).toMatchObject({
      exitCode: 4,
      stdout: "",
      stderr: "meshcache: key must be 1 to 512 bytes of UTF-8\n",
    });
    const json = await mesh(["set", "k", "v", "--namespace", "../b", "--json"]);
    expect(json.exitCode).toBe(4);
    expect(JSON.parse(json.stderr)).toMatchObject({ error: { reason: "FIELD_INVALID", field: "namespace" } });
  });

  it("exits with 3 without a server", async () => {
    const failed = await mesh(["get", "x", "--address", "127.0.0.1:1"]);
    expect(failed.exitCode).toBe(3);
    expect(failed.stderr).toMatch(/^meshcache: no server answers at 127\.0\.0\.1:1 .*\n$/);
  });

  it("exits with 5 when no answer comes in time", async () => {
    const silent = createTcpServer(() => {}).listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : 0;
    const failed = await mesh(["get", "x", "--address", `127.0.0.1:${port}`, "--timeout", "200ms"]);
    silent.close();
    expect(failed).toMatchObject({ exitCode: 5 });
    expect(failed.stderr).toMatch(/^meshcache: no answer from .* in time .*\n$/);
  });

  it.each([
    [["gte", "x"], /unknown command 'gte' \(Did you mean get\?\)/],
    [["get"], /missing required argument 'key'/],
    [["get", "x", "y"], /too many arguments/],
    [["get", "x", "--nope"], /unknown option '--nope'/],
    [["get", "x", "--address", "nowhere"], /--address must be HOST:PORT/],
    [["set", "x"], /give the value once/],
    [["set", "x", "v", "--absent"], /give the value once/],
    // L5: a number without a unit.
    [["set", "x", "v", "--ttl", "soon"], /--ttl.*must be a time with a unit: .*"30s"/],
    [["set", "x", "v", "--ttl", "60"], /--ttl.*needs a unit: 60s for seconds, 60ms for milliseconds/],
    [["set", "x", "v", "--ttl", "1h", "--stale", "60"], /--stale.*needs a unit/],
    [["touch", "x", "--ttl", "60"], /--ttl.*needs a unit/],
    [["incr", "x", "1.5"], /whole number from -2\^63/],
    [["incr", "x", "9223372036854775808"], /whole number from -2\^63/],
    [["incr", "x", "--initial", "much"], /--initial.*whole number/],
    [["get", "x", "--timeout", "-5s"], /--timeout.*must be a time with a unit/],
    [["get", "x", "--timeout", "5"], /--timeout.*needs a unit: 5s for seconds/],
    [["set", "x", "v", "--if-absent", "--if-present"], /cannot be used with/],
    [["set", "x", "v", "--if-version", "0"], /from 1 to 2\^64 - 1/],
    [["touch", "x"], /--ttl.*not specified/],
    [["watch", "--count", "0"], /must be a whole number from 1/],
    [["replay", "x", "--writes", "1.5"], /must be a number from 0 to 1/],
    [["replay", "x", "--limit", "0"], /must be a whole number from 1/],
  ])("exits with 2 for %j, in one line", async (argv, said) => {
    const { exitCode, stdout, stderr } = await mesh(argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toMatch(/^meshcache: [^\n]+\n$/);
    expect(stderr).toMatch(said);
  });

  it.each(["0", "11min", "99999999d"])("refuses a timeout of %s, which is out of range", async (time) => {
    const failed = await mesh(["get", "x", "--timeout", time]);
    expect(failed).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('from "1ms" to "10min"') });
  });

  it("reports wrong usage as JSON with --json", async () => {
    for (const argv of [["get"], ["get", "x", "--nope"], ["nope"], ["get", "x", "--timeout", "0"]]) {
      const failed = await mesh([...argv, "--json"]);
      expect(failed).toMatchObject({ exitCode: 2, stdout: "" });
      expect(JSON.parse(failed.stderr)).toEqual({
        error: { reason: "USAGE", message: expect.stringMatching(/\w/) },
      });
    }
  });

  it("exits with 7 for a file that cannot be read, saying that nothing was done", async () => {
    const missing = await mesh(["set", "x", "--file", join(folder, "none")]);
    expect(missing.exitCode).toBe(7);
    expect(missing.stderr).toMatch(/cannot read .*none \(ENOENT\); nothing was done\n$/);
    expect((await mesh(["get", "x"])).exitCode).toBe(1);
  });

  it("ends by a signal while it waits for stdin", async () => {
    const stdin = new PassThrough();
    const { exitCode, interrupt } = startCommand(["set", "x", "-", "--address", running.address], { stdin });
    stdin.write("half a val");
    interrupt("SIGINT");
    expect(await exitCode).toBe(130);
  });

  it("quotes no escape sequence of a command line", async () => {
    const { stderr } = await mesh(["get", "x", "--\u001b[31m"]);
    expect(stderr).not.toContain("\u001b");
  });
});

describe("meshcache --help", () => {
  it("shows every command and every exit code", async () => {
    const { exitCode, stdout } = await mesh(["--help"]);
    expect(exitCode).toBe(0);
    for (const word of [
      "serve",
      "config",
      "get",
      "set",
      "incr",
      "touch",
      "invalidate",
      "watch",
      "stats",
      "replay",
    ]) {
      expect(stdout).toMatch(new RegExp(`^ {2}${word} `, "m"));
    }
    expect(stdout).toMatch(/^ {2}141 +the reader of the output has closed it$/m);
  });

  it.each(["set", "touch", "incr"])("shows the times of %s with their units", async (command) => {
    const { stdout } = await mesh([command, "--help"]);
    expect(stdout).toMatch(/--ttl <time> .*such as 60s/);
    expect(stdout).toMatch(/--stale <time> .*such as 5min/);
    expect(stdout).toMatch(/--timeout <time> .*such as 500ms/);
    expect(stdout).toMatch(/^A time needs a unit: ms, s, m or min, h, or d\. /m);
  });

  it.each([
    "serve",
    "config print",
    "get",
    "set",
    "incr",
    "touch",
    "keys",
    "invalidate",
    "watch",
    "stats",
    "replay",
  ])("has examples for %s, within 100 columns", async (command) => {
    const { exitCode, stdout } = await mesh([...command.split(" "), "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Examples:\n/m);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it("prints the version", async () => {
    expect((await mesh(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
