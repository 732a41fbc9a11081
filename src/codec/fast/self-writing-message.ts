/**
 * A message that writes itself from the values that it holds, so that no objects are made for its nested messages.
 */
import type { WireWriter } from "./writer.ts";

export abstract class SelfWritingMessage {
  /** Writes the fields in descending order. The result must be byte for byte that of the generated encoder. */
  abstract writeTo(writer: WireWriter): void;
}
