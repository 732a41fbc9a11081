/** What is wrong with a message that cannot be decoded, in words that repeat nothing of it. */
import { type DescMessage, fromBinary, fromJsonString } from "@bufbuild/protobuf";
import { type CacheError, fieldInvalid } from "../common/errors.ts";
import { undecodable } from "../server/calls/decode-request.ts";
import { type BodyForm, messagesOf } from "./request-body.ts";

/** The names are the schema's: the decoder tells of no others. */
const FIELD = /field (?:[\w.]+\.)?(\w+) from JSON/;

/** Undefined: the message can be decoded, or there is none. `body` was found to be JSON, if that is its form. */
export function mistakeIn(body: Uint8Array, input: DescMessage, form: BodyForm): CacheError | undefined {
  const [message, another] = form.enveloped ? messagesOf(body) : [body];
  // None, or several, are a mistake of the stream that the library names.
  if (message === undefined || another !== undefined) return undefined;
  try {
    if (form.json) fromJsonString(input, Buffer.from(message).toString(), { ignoreUnknownFields: true });
    else fromBinary(input, message);
    return undefined;
  } catch (error) {
    const [, field] = FIELD.exec(error instanceof Error ? error.message : "") ?? [];
    return field === undefined
      ? undecodable()
      : fieldInvalid(field, "a value of its type in protobuf's JSON");
  }
}
