/**
 * Keys of requests:
 *
 *   users.v1.UserService/GetUser:tenant_id="acme",user_id=42;accept-language=["en"]
 *
 * The parts that are long are replaced by hashes, so that no key has more than 512 bytes.
 */
import { createHash } from "node:crypto";
import { toKeyText, toListText, UNSET } from "./canonical-text.ts";
import { type FieldPath, type FieldReader, type FieldValues, singleValue } from "./request-fields.ts";

/** In UTF-16 units; longer ones are replaced by hashes of 44. With the name of a method of 128 they are within 512 bytes. */
const FIELDS_MAX_LENGTH = 256;
const METADATA_MAX_LENGTH = 64;
const NAME_MAX_LENGTH = 128;

/** One field of a key. */
interface KeyField {
  /** "," before all but the first, its name and "=". */
  readonly before: string;
  readonly path: FieldPath;
  readonly slot: number;
}

/** The fields that make a key of the values of a request. */
export class KeyFields {
  readonly #fields: readonly KeyField[];

  /** `names`: the fields as the key names them; `paths`: where the values of `reader` are. */
  constructor(names: readonly FieldPath[], paths: readonly FieldPath[], reader: FieldReader) {
    this.#fields = paths.map((path, index) => ({
      before: `${index === 0 ? "" : ","}${names[index]?.name}=`,
      path,
      slot: reader.slotOf(path),
    }));
  }

  textOf(values: FieldValues): string {
    let text = "";
    for (const { before, path, slot } of this.#fields) {
      const found = values[slot] ?? [];
      if (path.leaf.repeated) text += before + toListText(found);
      else {
        const single = singleValue(path, found);
        text += before + (single === undefined ? UNSET : toKeyText(single));
      }
    }
    return text;
  }
}

/** What every key of a method begins with. */
export const toPrefix = (service: string, name: string): string =>
  `${shorten(`${service}/${name}`, NAME_MAX_LENGTH)}:`;

export const toKey = (prefix: string, fields: string): string =>
  `${prefix}${shorten(fields, FIELDS_MAX_LENGTH)};`;

/** The key of a response for these metadata and this caller. */
export function withVariant(key: string, variant: string): string {
  return variant === "" ? key : `${key}${shorten(variant, METADATA_MAX_LENGTH)}`;
}

/** Beyond ASCII a character may take more bytes, so such a text is measured. */
function shorten(text: string, maxBytes: number): string {
  const isShort =
    text.length <= maxBytes && (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes);
  return isShort ? text : `#${hash(text)}`;
}

export function hash(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
