import { describe, expect, it } from "vitest";
import { functionsOf, methodCallsOf, spreadCallsOf, testTitlesOf } from "./parsed-source.ts";

const names = (text: string) => functionsOf(text).map(({ name }) => name);

describe("functionsOf()", () => {
  it("names the functions of a module", () => {
    expect(
      names("export function one() {}\nconst two = () => 1;\nexport const three = async function () {};"),
    ).toEqual(["one", "two", "three"]);
  });

  it("names the members of a class", () => {
    const text =
      "export class A { constructor() {} get b() { return 1; } #c(): void {} static d = () => 1; e = 1; async *f() {} }";
    expect(names(text)).toEqual(["A.constructor", "A.b", "A.#c", "A.d", "A.f"]);
    expect(names("const B = class { c() {} };")).toEqual(["B.c"]);
  });

  it("names functions inside others, and those of object literals", () => {
    const text =
      'function createIt() { const own = () => 1; function inner() {} return { get(k: string) {}, "a-b": () => own() }; }';
    expect(names(text)).toEqual([
      "createIt",
      "createIt.own",
      "createIt.inner",
      "createIt.get",
      "createIt.a-b",
    ]);
    expect(names("const table = { deep: { run() {} } } as const;")).toEqual(["table.deep.run"]);
    expect(names("const rows = { run: () => 1 } satisfies object;")).toEqual(["rows.run"]);
  });

  it("leaves functions without a name out, and keeps what is in them", () => {
    expect(names("call(() => { const inner = () => 1; });\nclass A { b() { f({ c: () => 1 }); } }")).toEqual([
      "inner",
      "A.b",
      "A.b.c",
    ]);
  });

  it("leaves declarations without a body out", () => {
    const text =
      "function f(): void;\nfunction f(a?: number) {}\nabstract class A { abstract b(): void; c(): void; c(a?: number) {} }";
    expect(names(text)).toEqual(["f", "A.c"]);
  });

  it("gives the offsets of the whole declaration, in the units of a string", () => {
    const text = 'const smile = "é😀";\nclass A {\n  private async b(): Promise<void> { return; }\n}\n';
    const [first] = functionsOf(text);
    expect(text.slice(first?.start, first?.end)).toBe("private async b(): Promise<void> { return; }");
  });

  it("throws for what is no TypeScript", () => {
    expect(() => functionsOf("const = ;")).toThrow();
  });
});

describe("testTitlesOf()", () => {
  it("are the first arguments of the tests, and of nothing else", () => {
    const text =
      'describe("a", () => { it("b", () => { it2("x"); say("it(\\"y\\")"); }); it.skip("c", run); it.for([1])("d", run); it(title, run); });';
    expect(testTitlesOf(text)).toEqual(["b", "c", "d"]);
  });
});

describe("spreadCallsOf() and methodCallsOf()", () => {
  it("find calls and constructions with a spread argument, and no other spread", () => {
    const text = "f(1,\n  ...a);\nnew B(...c);\n[...d]; ({ ...e }); g([...h]); i(j => k(...l));\nm?.n(...o);";
    expect(spreadCallsOf(text)).toEqual([
      { text: "f(1, ...a)", line: 1 },
      { text: "new B(...c)", line: 3 },
      { text: "k(...l)", line: 4 },
      { text: "m?.n(...o)", line: 5 },
    ]);
  });

  it("find the calls of a method, private or not", () => {
    const text =
      "a.shift(); class B { #c = []; d() { this.#c.shift(); this.#shift(); } #shift() {} } shift();";
    expect(methodCallsOf(text, "shift").map((call) => call.text)).toEqual(["a.shift()", "this.#c.shift()"]);
  });
});
