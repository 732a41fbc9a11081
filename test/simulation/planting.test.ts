import { describe, expect, it } from "vitest";
import { type Edit, fileOfTest, plantAll, readModules, readTests } from "./planting.ts";

const store = {
  path: "src/store.ts",
  text: "class Store {\n  get(key: string) {\n    return this.map.get(key, { fresh: true });\n  }\n  drop() {}\n}\n",
};
const other = { path: "src/other.ts", text: "function drop() { return 1 + 1 + 10; }\n" };

function planted(edit: Edit, ...modules: readonly { path: string; text: string }[]): string {
  const before = modules.length === 0 ? [store, other] : modules;
  return plantAll(before, [edit])
    .filter((module) => !before.includes(module))
    .map(({ path, text }) => `${path}: ${text}`)
    .join();
}

describe("plantAll()", () => {
  const edit: Edit = { inFunction: "Store.get", find: "{ fresh: true }", replace: "{}" };

  it("replaces the text in the function, whatever file that is in", () => {
    const after = store.text.replace("{ fresh: true }", "{}");
    expect(planted(edit)).toBe(`src/store.ts: ${after}`);
    const moved = { ...store, path: "src/engine/moved.ts" };
    expect(planted(edit, other, moved)).toBe(`src/engine/moved.ts: ${after}`);
  });

  it("finds the text in another format", () => {
    const text =
      "class Store {\n  get(key: string) {\n    return this.map.get(\n      key,\n      {\n        fresh: true,\n      },\n    );\n  }\n}\n";
    expect(
      planted({ ...edit, find: "get(key, { fresh: true })", replace: "all()" }, { path: "src/a.ts", text }),
    ).toBe("src/a.ts: class Store {\n  get(key: string) {\n    return this.map.all();\n  }\n}\n");
  });

  it("finds whole words alone, with the white space between them", () => {
    const drop: Edit = { inFunction: "drop", find: "1", replace: "2" };
    expect(() => planted(drop)).toThrow("drop (in src/other.ts) has 2 places, not one, for: 1");
    expect(planted({ ...drop, find: "return   1 + 1" })).toContain("{ 2 + 10; }");
    expect(() => planted({ ...drop, find: "return1" })).toThrow("has 0 places");
    expect(() => planted({ ...drop, find: "eturn 1 + 1" })).toThrow("has 0 places");
    expect(() => planted({ ...drop, find: "+ 1 + 1" })).toThrow("has 0 places");
  });

  it("makes the edits one after the other", () => {
    const [module] = plantAll(
      [other],
      [
        { inFunction: "drop", find: "+ 10", replace: "+ 2" },
        { inFunction: "drop", find: "1 + 2", replace: "3" },
      ],
    );
    expect(module?.text).toBe("function drop() { return 1 + 3; }\n");
  });

  it("tells functions of one name apart by the text", () => {
    const namesake = { path: "src/third.ts", text: "function drop() {}\n" };
    expect(planted({ inFunction: "drop", find: "10", replace: "11" }, namesake, other)).toContain(
      "src/other.ts",
    );
  });

  it("refuses a function that is not there, or there twice", () => {
    expect(() => planted({ ...edit, inFunction: "Store.gone" })).toThrow(
      "Store.gone (in no file) has 0 places, not one, for: { fresh: true }",
    );
    const twice = { ...store, path: "src/copy.ts" };
    expect(() => planted(edit, store, twice)).toThrow(
      "Store.get (in src/store.ts, src/copy.ts) has 2 places, not one, for: { fresh: true }",
    );
  });

  it("refuses a text that is elsewhere in the file, or empty", () => {
    expect(() => planted({ ...edit, inFunction: "Store.drop" })).toThrow(
      "Store.drop (in src/store.ts) has 0 places, not one, for: { fresh: true }",
    );
    expect(() => planted({ ...edit, find: " " })).toThrow("has 0 places");
  });
});

describe("fileOfTest()", () => {
  const tests = [
    { path: "test/a.test.ts", text: 'it("one", () => {});\nit("two", () => {});' },
    {
      path: "test/b.test.ts",
      text: 'describe("b", () => { it("two", () => {}); it.for([1])("three", () => {}); });',
    },
  ];

  it("is the one file with the title", () => {
    expect(fileOfTest(tests, "one")).toBe("test/a.test.ts");
    expect(fileOfTest(tests, "three")).toBe("test/b.test.ts");
  });

  it("refuses a title that is not there, or there twice", () => {
    expect(() => fileOfTest(tests, "b")).toThrow('0 tests, not one, have the title "b"');
    expect(() => fileOfTest(tests, "two")).toThrow(
      '2 tests, not one, have the title "two": test/a.test.ts, test/b.test.ts',
    );
  });
});

describe("readModules() and readTests()", () => {
  it("name the files from the root of the repository", () => {
    expect(readModules().map(({ path }) => path)).toContain("src/index.ts");
    expect(readModules(process.cwd()).map(({ path }) => path)).toContain("src/index.ts");
    expect(readTests().map(({ path }) => path)).toContain("test/simulation/planting.test.ts");
  });
});
