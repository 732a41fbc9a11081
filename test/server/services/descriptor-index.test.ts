/** The index of descriptors, over files made for these tests. */
import { create, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { createDescriptorIndex, type EncodedFiles } from "../../../src/server/services/descriptor-index.ts";

const field = { number: 1, type: Type.STRING, label: Label.OPTIONAL };
const set = create(FileDescriptorSetSchema, {
  file: [
    { name: "base.proto", messageType: [{ name: "Unpackaged" }] },
    {
      name: "a/middle.proto",
      package: "a.b",
      dependency: ["base.proto"],
      messageType: [
        {
          name: "Outer",
          field: [{ ...field, name: "text", oneofIndex: 0 }],
          oneofDecl: [{ name: "choice" }],
          nestedType: [{ name: "Inner", field: [{ ...field, name: "deep" }] }],
          enumType: [{ name: "Mode", value: [{ name: "FAST", number: 0 }] }],
          extensionRange: [{ start: 100, end: 200 }],
        },
      ],
      enumType: [{ name: "Colour", value: [{ name: "RED", number: 0 }] }],
    },
    {
      name: "a/top.proto",
      package: "a.b",
      dependency: ["a/middle.proto", "base.proto"],
      service: [
        { name: "Run", method: [{ name: "Go", inputType: ".a.b.Outer", outputType: ".Unpackaged" }] },
      ],
      extension: [{ ...field, name: "more", number: 101, extendee: ".a.b.Outer" }],
    },
  ],
});
const registry = createFileRegistry(set);
const top = registry.getFile("a/top.proto");
const index = createDescriptorIndex(top === undefined ? [] : [top]);
const namesIn = (files: EncodedFiles | undefined) =>
  files?.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);

describe("createDescriptorIndex()", () => {
  it("finds files by name, each followed by its dependencies, each of them once", () => {
    expect(namesIn(index.byName.get("a/top.proto"))).toEqual(["a/top.proto", "a/middle.proto", "base.proto"]);
    expect(namesIn(index.byName.get("a/middle.proto"))).toEqual(["a/middle.proto", "base.proto"]);
    expect(namesIn(index.byName.get("base.proto"))).toEqual(["base.proto"]);
    expect([...index.byName.keys()].sort()).toEqual(["a/middle.proto", "a/top.proto", "base.proto"]);
  });

  it.each([
    ["Unpackaged", "base.proto"],
    ["a.b.Outer", "a/middle.proto"],
    ["a.b.Outer.text", "a/middle.proto"],
    ["a.b.Outer.choice", "a/middle.proto"],
    ["a.b.Outer.Inner", "a/middle.proto"],
    ["a.b.Outer.Inner.deep", "a/middle.proto"],
    ["a.b.Outer.Mode", "a/middle.proto"],
    ["a.b.Outer.FAST", "a/middle.proto"],
    ["a.b.Colour", "a/middle.proto"],
    ["a.b.RED", "a/middle.proto"],
    ["a.b.Run", "a/top.proto"],
    ["a.b.Run.Go", "a/top.proto"],
    ["a.b.more", "a/top.proto"],
  ])("finds the file that declares %s", (symbol, file) => {
    expect(namesIn(index.bySymbol.get(symbol))?.[0]).toBe(file);
  });

  it.each(["", "a.b", ".a.b.Outer", "a.b.Colour.RED", "a.b.Outer.nothing", "__proto__"])(
    "finds nothing that declares %j",
    (symbol) => expect(index.bySymbol.get(symbol)).toBeUndefined(),
  );

  it("finds extensions by the message and the number", () => {
    expect(namesIn(index.extensions.get("a.b.Outer")?.get(101))?.[0]).toBe("a/top.proto");
    expect(index.extensions.get("a.b.Outer")?.get(102)).toBeUndefined();
    expect(index.extensions.get("a.b.Outer.Inner")?.size).toBe(0);
    expect(index.extensions.get("a.b.Run")).toBeUndefined();
  });
});
