/** What `lintMethods` and `meshcache lint-cache` find in the options of methods. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { runCommand } from "../support/command-line.ts";

const MESSAGES = `
message Request { string id = 1; Inner inner = 2; map<string, string> labels = 3; repeated Inner inners = 4; string other = 5; }
message Inner { string id = 1; repeated int64 numbers = 2; }
message Response {}`;

/** Lints a service with these methods. */
function lint(methods: string): Promise<{ exitCode: number; lines: string[] }> {
  const imported = 'import "meshcache/options/v1/caching.proto";';
  return lintFile(`syntax = "proto3";\npackage t;\n${imported}\nservice S {\n${methods}\n}\n${MESSAGES}`);
}

async function lintFile(text: string): Promise<{ exitCode: number; lines: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-lint-"));
  try {
    const file = join(folder, "service.proto");
    writeFileSync(file, text);
    const { exitCode, stdout } = await runCommand(["lint-cache", file, "--json"]);
    const lines = stdout.trim().split("\n").filter(Boolean);
    return { exitCode, lines: lines.map((line) => Object.values(JSON.parse(line)).join(" ")) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const read = (options: string, name = "Get", level = "option idempotency_level = NO_SIDE_EFFECTS;") =>
  `rpc ${name}(Request) returns (Response) { ${level} option (meshcache.options.v1.cache) = { ttl: "60s" ${options} }; }`;
const write = (options: string, name = "Set") =>
  `rpc ${name}(Request) returns (Response) { option (meshcache.options.v1.invalidates) = { ${options} }; }`;

describe("meshcache lint-cache", () => {
  it("has nothing to say of a read whose tag a write invalidates", async () => {
    expect(await lint(read('tags: ["x:{id}"]') + write('tags: ["x:{other}"]'))).toEqual({
      exitCode: 0,
      lines: [],
    });
  });

  it.each([
    ["a missing field of a key", read('key: ["idd"]'), '"idd" is no field of t.Request'],
    [
      "a missing field of a tag",
      read('tags: ["x:{inner.x}"]'),
      "has {inner.x}, which is no field of t.Inner",
    ],
    ["a map", read('key: ["labels"]'), '"labels" is a map'],
    ["a message", read('key: ["inner"]'), '"inner" is a message'],
    ["a list of messages", read('key: ["inners.id"]'), "is a list of messages"],
    ["a field after a text", read('key: ["id.x"]'), "goes on after id"],
    ["a brace without its other one", read('tags: ["x:{id"]'), "has a brace without its other one"],
    ["a time without a unit", read('stale: "60"'), 'is "60", and must be a time'],
    ["credentials as metadata that vary", read('vary_metadata: ["authorization"]'), "says who calls"],
    ["metadata in upper case", read('vary_metadata: ["Accept"]'), "is no name of metadata"],
    [
      "an outcome that says nothing of the record",
      read("absent_on: [UNAVAILABLE]"),
      "does not say that there is no such record",
    ],
    [
      "what one caller gets, kept for all",
      read("absent_on: [PERMISSION_DENIED]"),
      "does not say that there is no such record",
    ],
    [
      "a read and a write",
      read("").replace(" }; }", ' }; option (meshcache.options.v1.invalidates) = { tags: ["x"] }; }'),
      "a read or a write",
    ],
    [
      "side effects that are declared",
      read("", "Get", "option idempotency_level = IDEMPOTENT;"),
      "without side effects",
    ],
    ["side effects by its name", read("", "DeleteUser", ""), "by its name has side effects"],
    ["a stream", read("").replace("returns (Response)", "returns (stream Response)"), "this one streams"],
    ["a write that names nothing", write(""), "names no tag, no key and no prefix"],
    [
      "an outcome that proves nothing",
      write('tags: ["x"] unchanged_on: [DEADLINE_EXCEEDED]'),
      "does not prove that nothing has changed",
    ],
    ["a prefix of no read", write('prefixes: ["Get"]'), "is no method with `cache`"],
    ["a key of no read", write('keys: ["Get(id)"]'), "is no method with `cache`"],
    [
      "a key of other fields",
      read('key: ["id"]') + write('keys: ["Get(inner.numbers)"]'),
      "which is not of the type of id",
    ],
    ["a key with too few fields", read('key: ["id", "other"]') + write('keys: ["Get(id)"]'), "has 1 fields"],
  ])("refuses %s", async (_, methods, text) => {
    const { exitCode, lines } = await lint(methods);
    expect(lines.filter((line) => line.startsWith("error")).join("\n")).toContain(text);
    expect(exitCode).toBe(1);
  });

  it.each([
    [
      "a tag that no write invalidates",
      read('tags: ["x:{id}"]'),
      '"x:{id}" is a tag that no write invalidates',
    ],
    ["a read that nothing invalidates", read(""), "no write invalidates"],
    ["a tag of no read", read("") + write('tags: ["y:{id}"]'), '"y:{id}" is a tag of no read'],
    ["fields that are in no key", read('key: ["id"]'), "leaves out inner, labels, inners, other"],
    [
      "a read that does not say that it has no side effects",
      read("", "Get", ""),
      "does not say idempotency_level",
    ],
    ["what all callers share", read("sharing: SHARING_ALL"), "does not see who calls"],
  ])("warns of %s", async (_, methods, text) => {
    const { exitCode, lines } = await lint(methods);
    expect(lines.join("\n")).toContain(text);
    expect(lines.every((line) => line.startsWith("warning"))).toBe(true);
    expect(exitCode).toBe(0);
  });

  it("has nothing to say of the example in the documents", async () => {
    const [, example] = /```proto\n([\s\S]*?)```/.exec(readFileSync("docs/responses.md", "utf8")) ?? [];
    const messages =
      "message GetUserRequest { string user_id = 1; } message RenameUserRequest { string user_id = 1; } message User {}";
    const text = `syntax = "proto3";\npackage users.v1;\n${example}\n${messages}`;
    expect(await lintFile(text)).toEqual({ exitCode: 0, lines: [] });
  });

  it("says which file it cannot read, and which is no description", async () => {
    expect((await runCommand(["lint-cache", "/nowhere/x.proto"])).exitCode).toBe(7);
    expect((await runCommand(["lint-cache", "package.json"])).exitCode).toBe(2);
  });
});
