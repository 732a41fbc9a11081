/** The parts of hot messages that are not hot: read and written by the generated codec, in place. */
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
    // The generated codec meets the fault again in the whole message, and says what it is.
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
