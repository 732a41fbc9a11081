/** Nested messages that are rare: the generated codec reads and writes them in the place where they are. */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { IRREGULAR, type WireReader } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export function readGenerated<Desc extends DescMessage>(
  reader: WireReader,
  schema: Desc,
): MessageShape<Desc> {
  try {
    return fromBinary(schema, reader.bytes(), { readUnknownFields: false });
  } catch {
    // The generated codec then decodes the whole message, and reports the fault.
    throw IRREGULAR;
  }
}

export function writeGenerated<Desc extends DescMessage>(
  writer: WireWriter,
  field: number,
  schema: Desc,
  message: MessageShape<Desc>,
): void {
  writer.presentBytes(field, toBinary(schema, message));
}
