/**
 * Message types from the descriptors that @grpc/proto-loader gives: they lack what protobuf-es needs to make descriptors of
 * them (dependencies, the oneofs of optional fields), and have all that a `MessageType` needs.
 */
import { fromBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type FieldDescriptorProto,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
} from "@bufbuild/protobuf/wkt";
import { createMessageType, FIELD_KIND, type FieldType, type MessageType } from "./message-type.ts";

interface Declared {
  readonly proto: DescriptorProto;
  readonly isProto3: boolean;
}

/** The types of the files, by their full names. */
export class LoaderTypes {
  readonly #declared = new Map<string, Declared>();
  readonly #types = new Map<string, MessageType>();
  /** The names of the types of requests, by the methods: "users.v1.UserService/GetUser". */
  readonly #requests = new Map<string, string>();

  /** `files`: encoded FileDescriptorProtos. */
  constructor(files: readonly Uint8Array[]) {
    for (const encoded of files) {
      const file = fromBinary(FileDescriptorProtoSchema, encoded);
      for (const message of file.messageType) this.#declare(file.package, message, file.syntax !== "proto2");
      for (const { name, method } of file.service) {
        const service = within(file.package, name);
        for (const one of method) this.#requests.set(`${service}/${one.name}`, one.inputType);
      }
    }
  }

  /** The type of a method's requests. */
  requestOf(service: string, method: string): MessageType | undefined {
    const name = this.#requests.get(`${service}/${method}`);
    return name === undefined ? undefined : this.#get(this.#resolve(name, service));
  }

  #get(typeName: string | undefined): MessageType | undefined {
    if (typeName === undefined) return undefined;
    const made = this.#types.get(typeName);
    const declared = this.#declared.get(typeName);
    if (made !== undefined || declared === undefined) return made;
    const { proto, isProto3 } = declared;
    const fields = proto.field.map((field) => this.#field(field, typeName, proto, isProto3));
    const type = createMessageType(typeName, fields);
    this.#types.set(typeName, type);
    return type;
  }

  /** A name without a dot before it is looked for in its scope, and in those around it. */
  #resolve(name: string, scope: string): string | undefined {
    if (name.startsWith(".")) return name.slice(1);
    for (let at = scope; ; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) {
      const full = within(at, name);
      if (this.#declared.has(full)) return full;
      if (at === "") return undefined;
    }
  }

  #declare(scope: string, proto: DescriptorProto, isProto3: boolean): void {
    const name = within(scope, proto.name);
    this.#declared.set(name, { proto, isProto3 });
    for (const nested of proto.nestedType) this.#declare(name, nested, isProto3);
  }

  #field(field: FieldDescriptorProto, scope: string, parent: DescriptorProto, isProto3: boolean): FieldType {
    const repeated = field.label === Label.REPEATED;
    const isInOneof = Object.hasOwn(field, "oneofIndex");
    const isMessage = field.type === FIELD_KIND.message || field.type === FIELD_KIND.group;
    const typeName = isMessage ? this.#resolve(field.typeName, scope) : undefined;
    return {
      name: field.name,
      number: field.number,
      kind: field.type,
      repeated,
      map: repeated && this.#declared.get(typeName ?? "")?.proto.options?.mapEntry === true,
      explicit: !repeated && (!isProto3 || isMessage || field.proto3Optional || isInOneof),
      oneof: isInOneof && !field.proto3Optional ? parent.oneofDecl[field.oneofIndex]?.name : undefined,
      message: () => this.#get(typeName),
    };
  }
}

const within = (scope: string, name: string): string => (scope === "" ? name : `${scope}.${name}`);
