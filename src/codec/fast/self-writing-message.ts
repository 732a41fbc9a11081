/** A message that is written from what it was made of, so that no message object is made for the fields inside it. */
import type { WireWriter } from "./writer.ts";

export abstract class SelfWritingMessage {
  /** Writes the fields in descending order, byte for byte as the generated encoder would. */
  abstract writeTo(writer: WireWriter): void;
}
