/** Options of methods: how they are read, what they refuse, and the keys and tags that they give. */
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileRules } from "../../src/responses/options/method-rules.ts";
import type { ReadRule } from "../../src/responses/options/read-rule.ts";
import { readServices } from "../../src/responses/options/service-methods.ts";
import type { WriteRule } from "../../src/responses/options/write-rule.ts";
import { describeUsers, loadUsers } from "./users-service.ts";

const users = describeUsers();
const sources = {
  "a descriptor of protobuf-es": users.service,
  "an encoded descriptor set": users.descriptors,
  "a definition of proto-loader": loadUsers(false),
  "a definition of proto-loader that keeps the case": loadUsers(true),
};

const rulesOf = (source: object) => compileRules(readServices([source]));
const { byPath } = rulesOf(users.service);

function read(name: string, rules = byPath): ReadRule {
  const rule = rules.get(`/users.v1.UserService/${name}`);
  if (rule?.kind !== "read") throw new Error(`${name} is no read`);
  return rule;
}

function write(name: string): WriteRule {
  const rule = byPath.get(`/users.v1.UserService/${name}`);
  if (rule?.kind !== "write") throw new Error(`${name} is no write`);
  return rule;
}

/** The key and the tags of a request. */
function keyed(rule: ReadRule, request: Uint8Array) {
  const { key, tags } = rule.keyOf(request);
  return { key, tags: tags() };
}

function encode(name: string, init: Record<string, unknown>): Uint8Array {
  const desc = users.message(name);
  return toBinary(desc, create(desc, init as MessageInitShape<DescMessage>));
}

describe("compileRules()", () => {
  it.each(Object.entries(sources))("reads the options from %s", (_, source) => {
    const { byPath: rules, problems } = rulesOf(source);
    expect(problems).toEqual([]);
    expect([...rules.keys()].sort()).toEqual(
      ["FindUsers", "GetPlan", "GetSettings", "GetUser", "RenameUser", "SetPlan"].map(
        (name) => `/users.v1.UserService/${name}`,
      ),
    );
    const rule = read("GetUser", new Map(rules));
    expect(rule).toMatchObject({ ttlMs: 60_000, staleMs: 300_000, absentTtlMs: 5_000, hasVariants: true });
    expect([...rule.absentOn]).toEqual([5]);
    expect([...rule.keep]).toEqual(["x-region"]);
  });

  it.each(Object.entries(sources))("gives the keys and tags that others give, from %s", (_, source) => {
    const rules = new Map(rulesOf(source).byPath);
    const request = encode("GetUserRequest", { tenantId: 'ac"me', userId: -7n });
    expect(keyed(read("GetUser", rules), request)).toEqual({
      key: 'users.v1.UserService/GetUser:tenant_id="ac\\"me",user_id=-7;',
      tags: ['user:ac"me:-7', 'tenant:ac"me'],
    });
    const find = encode("FindUsersRequest", {
      filter: { tenantId: "acme", labels: { b: "2", a: "1" }, userIds: [3n, 1n], anyOf: [{ order: 1 }, {}] },
      pageToken: "",
      pageSize: -3,
    });
    expect(keyed(read("FindUsers", rules), find)).toEqual({
      key: 'users.v1.UserService/FindUsers:*={1={1="acme",2={"a":"1","b":"2"},4=[3,1],6=[{5=1},{}]},2="",3=-3};',
      tags: ["tenant:acme"],
    });
  });
});

describe("the key of a read", () => {
  const keyOf = (request: Uint8Array) => keyed(read("GetUser"), request);
  const request = (tenantId: string, userId: bigint) => encode("GetUserRequest", { tenantId, userId });

  it("is the same for a field that is not set and one that is set to its default", () => {
    // 10 0: tenant_id is "", 16 0: user_id is 0.
    expect(keyOf(Uint8Array.of(10, 0, 16, 0))).toEqual(keyOf(new Uint8Array(0)));
  });

  it("tells an optional field that is empty from one that is not set", () => {
    const find = read("FindUsers").keyOf;
    expect(find(encode("FindUsersRequest", { pageToken: "" })).key).not.toBe(find(new Uint8Array(0)).key);
  });

  it("takes the last of a field that comes twice, and the fields in any order", () => {
    const one = keyOf(Uint8Array.of(16, 9, 10, 1, 97, 16, 7));
    expect(one).toEqual(keyOf(request("a", 7n)));
  });

  it("has a hash instead of fields of more than 256 bytes, and stays within 512 bytes", () => {
    const long = "é".repeat(200);
    const { key, tags } = keyOf(request(long, 1n));
    expect(key).toMatch(/^users\.v1\.UserService\/GetUser:#[\w-]{43};$/);
    expect(keyOf(request(long, 2n)).key).not.toBe(key);
    expect(tags.every((tag) => Buffer.byteLength(tag) <= 128)).toBe(true);
  });

  it.each([
    ["a field that the descriptors do not know", Uint8Array.of(24, 1)],
    ["a field of another type", Uint8Array.of(8, 1)],
    ["text that is not UTF-8", Uint8Array.of(10, 1, 0xff)],
    ["a length beyond its end", Uint8Array.of(10, 9, 97)],
    ["a varint without an end", Uint8Array.of(16, 0x80)],
    ["the field number 0", Uint8Array.of(0, 0)],
  ])("is refused for a request with %s", (_, bytes) => {
    expect(() => keyOf(bytes)).toThrow(/^(the request|a field of|a text of)/);
  });

  it("is the same for two requests if and only if they are equal", () => {
    const filter = fc.letrec<{ filter: Record<string, unknown> }>((tie) => ({
      filter: fc.record(
        {
          tenantId: fc.constantFrom("", "a", "b", "a,b", '"', "é"),
          labels: fc.dictionary(fc.constantFrom("a", "b", "c"), fc.constantFrom("", "1"), { maxKeys: 2 }),
          groups: fc.array(fc.constantFrom("", "x", "x,y"), { maxLength: 2 }),
          userIds: fc.array(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), { maxLength: 2 }),
          order: fc.constantFrom(0, 1, 7),
          anyOf: fc.oneof({ depthSize: "small" }, fc.constant([]), fc.array(tie("filter"), { maxLength: 2 })),
        },
        { requiredKeys: [] },
      ),
    })).filter;
    const requests = fc.record(
      { filter, pageToken: fc.constantFrom("", "p"), pageSize: fc.constantFrom(0, -1, 5) },
      { requiredKeys: [] },
    );
    const desc = users.message("FindUsersRequest");
    const rule = read("FindUsers");
    fc.assert(
      fc.property(requests, requests, fc.boolean(), (one, other, same) => {
        const messages = [one, same ? one : other].map((init) =>
          create(desc, init as MessageInitShape<DescMessage>),
        );
        const [left, right] = messages.map((message) => rule.keyOf(toBinary(desc, message)).key);
        const [leftText, rightText] = messages.map((message) => canonical(desc, message));
        expect(left === right).toBe(leftText === rightText);
      }),
      { numRuns: 500 },
    );
  });
});

/** Another way to compare messages: their reflection as JSON with sorted maps. */
function canonical(desc: DescMessage, message: ReturnType<typeof create>): string {
  const view = reflect(desc, message);
  const fields = view.fields.flatMap((field): unknown[] => {
    if (!view.isSet(field)) return [];
    const value: unknown = view.get(field);
    if (field.fieldKind === "message")
      return [[field.number, canonical(field.message, (value as { message: typeof message }).message)]];
    if (field.fieldKind === "list") {
      const items = [...(value as Iterable<unknown>)].map((item) =>
        field.listKind === "message"
          ? canonical(field.message, (item as { message: typeof message }).message)
          : `${item}`,
      );
      return [[field.number, items]];
    }
    if (field.fieldKind === "map") return [[field.number, [...(value as Iterable<[string, string]>)].sort()]];
    return [[field.number, `${value}`]];
  });
  return JSON.stringify(fields);
}

describe("what a write invalidates", () => {
  it("is the tags of the reads, and whole methods", () => {
    const request = encode("RenameUserRequest", { tenantId: "acme", userId: 42n, name: "Ada" });
    expect(write("RenameUser").targetsOf(request)).toEqual({
      tags: ["user:acme:42"],
      keys: [],
      prefixes: ["users.v1.UserService/FindUsers:"],
    });
  });

  it("is the key that a read has for the fields that are named", () => {
    const [key] = write("SetPlan").targetsOf(encode("SetPlanRequest", { planName: "gold" })).keys;
    expect(key).toBe(read("GetPlan").keyOf(encode("GetPlanRequest", { name: "gold" })).key);
  });

  it("does not depend on fields that the descriptors do not know", () => {
    const known = encode("SetPlanRequest", { planName: "gold" });
    // A group of the number 9 with a varint in it, and a varint of the number 10.
    const more = Buffer.concat([known, Uint8Array.of(75, 8, 1, 76, 80, 1)]);
    expect(write("SetPlan").targetsOf(more)).toEqual(write("SetPlan").targetsOf(known));
  });
});
