/** Finds descriptor files for reflection: by name, by the symbols that they declare, and by the messages that they extend. */
import {
  type DescEnum,
  type DescFile,
  type DescMessage,
  type DescService,
  toBinary,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { NO_BYTES } from "../../common/bytes.ts";

/** An encoded FileDescriptorProto, followed by those of all files that it depends on. */
export type EncodedFiles = readonly Uint8Array[];

export interface DescriptorIndex {
  /** By file name: "meshcache/v1/cache.proto". */
  readonly byName: ReadonlyMap<string, EncodedFiles>;
  /** By the full name of a type, a service, or a member of one that the file declares. */
  readonly bySymbol: ReadonlyMap<string, EncodedFiles>;
  /** By the full name of a message and a field number: the file that extends it with that field. */
  readonly extensions: ReadonlyMap<string, ReadonlyMap<number, EncodedFiles>>;
}

/** Indexes these files and all that they depend on. */
export function createDescriptorIndex(roots: readonly DescFile[]): DescriptorIndex {
  const bytes = new Map<DescFile, Uint8Array>();
  for (const file of withDependencies(roots))
    bytes.set(file, toBinary(FileDescriptorProtoSchema, file.proto));
  const byName = new Map<string, EncodedFiles>();
  const bySymbol = new Map<string, EncodedFiles>();
  const extensions = new Map<string, Map<number, EncodedFiles>>();
  const extensionsOf = (message: string) => {
    const known = extensions.get(message) ?? new Map<number, EncodedFiles>();
    extensions.set(message, known);
    return known;
  };
  for (const file of bytes.keys()) {
    const encoded = Array.from(withDependencies([file]), (one) => bytes.get(one) ?? NO_BYTES);
    byName.set(file.proto.name, encoded);
    for (const type of nestedTypes(file)) {
      bySymbol.set(type.typeName, encoded);
      if (type.kind === "extension") extensionsOf(type.extendee.typeName).set(type.number, encoded);
      else for (const member of membersOf(type)) bySymbol.set(member, encoded);
      if (type.kind === "message") extensionsOf(type.typeName);
    }
  }
  return { byName, bySymbol, extensions };
}

function withDependencies(files: Iterable<DescFile>, found = new Set<DescFile>()): Set<DescFile> {
  for (const file of files) {
    if (found.has(file)) continue;
    found.add(file);
    withDependencies(file.dependencies, found);
  }
  return found;
}

function membersOf(type: DescMessage | DescEnum | DescService): string[] {
  switch (type.kind) {
    case "message":
      return [...type.fields, ...type.oneofs].map(({ name }) => `${type.typeName}.${name}`);
    case "service":
      return type.methods.map(({ name }) => `${type.typeName}.${name}`);
    case "enum": {
      // As in C++, the values of an enum are in the scope that the enum is in.
      const scope = type.typeName.slice(0, -type.name.length);
      return type.values.map(({ name }) => scope + name);
    }
  }
}
