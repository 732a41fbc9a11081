/** That the REST face does what docs/openapi.yaml says of it: its verbs, its answers and the headers of these. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { type CacheServer, createServer } from "../../src/server/index.ts";

const header = z.looseObject({
  schema: z.looseObject({ pattern: z.string().optional(), const: z.string().optional() }),
});
const response = z.looseObject({ headers: z.record(z.string(), z.unknown()).default({}) });
const documentSchema = z.looseObject({
  openapi: z.literal("3.1.0"),
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
  components: z.looseObject({
    headers: z.record(z.string(), header),
    responses: z.record(z.string(), response),
  }),
});
const document = documentSchema.parse(
  parse(readFileSync(new URL("../../docs/openapi.yaml", import.meta.url), "utf8")),
);
const [[template, operations] = ["", {}]] = Object.entries(document.paths);
const operationSchema = z.looseObject({ responses: z.record(z.string(), z.unknown()) });

/** What a reference, or the thing itself, is. */
function resolved(value: unknown): unknown {
  const { $ref } = z.looseObject({ $ref: z.string().optional() }).parse(value);
  if ($ref === undefined) return value;
  return $ref
    .split("/")
    .slice(1)
    .reduce<unknown>((at, name) => z.looseObject({}).parse(at)[name], document);
}

let server: CacheServer;
beforeAll(async () => {
  server = createServer({ listen: "127.0.0.1:0", http: { listen: "127.0.0.1:0" } });
  await server.start();
});
afterAll(() => server.close());

const send = (method: string, key: string, headers: Record<string, string> = {}, body?: string) =>
  fetch(`http://${server.httpAddress}${template.replace("{namespace}", "users").replace("{key}", key)}`, {
    method,
    headers,
    ...(body !== undefined && { body }),
  });

/** Holds an answer to what the document says of the verb. */
async function expectDocumented(method: string, answer: Response): Promise<void> {
  const { responses } = operationSchema.parse(operations[method.toLowerCase()]);
  const found = responses[String(answer.status)];
  expect(found ?? responses.default, `${method} ${answer.status}`).toBeDefined();
  if (answer.status < 400) expect(found, `${method} ${answer.status}`).toBeDefined();
  const documented = found === undefined ? undefined : response.parse(resolved(found));
  for (const [name, of] of Object.entries(documented?.headers ?? {})) {
    const { schema } = header.parse(resolved(of));
    const value = answer.headers.get(name);
    if (value === null) continue;
    if (schema.pattern !== undefined) expect(value, name).toMatch(new RegExp(schema.pattern));
    if (schema.const !== undefined) expect(value, name).toBe(schema.const);
  }
  if (found === undefined && method !== "HEAD") {
    expect(await answer.json()).toEqual({ code: expect.any(String), message: expect.any(String) });
  }
}

it("has the verbs of the document, and no others", async () => {
  const verbs = Object.keys(operations).filter((name) => name !== "parameters");
  const { headers } = await send("PATCH", "1");
  expect(headers.get("allow")?.toLowerCase().split(", ").sort()).toEqual(verbs.sort());
});

it("answers as the document says, whatever is asked", async () => {
  const json = { "content-type": "application/json" };
  const put = await send("PUT", "1", { ...json, "meshcache-ttl-ms": "60000", "meshcache-tags": "t" }, "{}");
  const etag = put.headers.get("etag") ?? "";
  const asked: [string, string, Record<string, string>?, string?][] = [
    ["GET", "1"],
    ["HEAD", "1"],
    ["GET", "1", { "if-none-match": etag }],
    ["HEAD", "1", { "if-none-match": etag }],
    ["GET", "1", { "meshcache-allow-stale": "true" }],
    ["GET", "1", { "meshcache-allow-stale": "yes" }],
    ["GET", "none"],
    ["GET", "%ff"],
    ["HEAD", "%ff"],
    ["PUT", "1", { "if-none-match": "*" }, "x"],
    ["PUT", "1", { "if-match": etag }, "x"],
    ["PUT", "1", json, "{"],
    ["PUT", "1", { "meshcache-ttl-ms": "-1" }, "x"],
    ["PUT", "k".repeat(600), {}, "x"],
    ["DELETE", "1"],
    ["DELETE", "1"],
    ["DELETE", "1", { "if-match": etag }],
  ];
  await expectDocumented("PUT", put);
  for (const [method, key, headers, body] of asked) {
    await expectDocumented(method, await send(method, key, headers, body));
  }
});

it("takes the content codings that the document allows, in any case, and no others", async () => {
  const parameters = z.array(z.looseObject({ name: z.string(), schema: z.unknown() }));
  const ofPut = parameters.parse(z.looseObject({ parameters: z.unknown() }).parse(operations.put).parameters);
  const coding = ofPut.find(({ name }) => name === "content-encoding");
  const allowed = new RegExp(z.looseObject({ pattern: z.string() }).parse(coding?.schema).pattern);
  const codings = [
    "gzip",
    "GZIP",
    "Z",
    "x-Brotli.2",
    "",
    "Identity",
    "9",
    "-z",
    "g zip",
    "gzip,br",
    "z".repeat(33),
  ];
  for (const name of codings) {
    const { status } = await send("PUT", "coded", { "content-encoding": name }, "x");
    expect(status === 204, `"${name}"`).toBe(allowed.test(name));
  }
  await send("PUT", "coded", { "content-encoding": "GZIP" }, "x");
  const stored = await send("HEAD", "coded", { "accept-encoding": "gzip" });
  expect(stored.headers.get("content-encoding")).toBe("gzip");
});
