/** Tags as options write them: text with fields in braces, "user:{user_id}". */
import { createHash } from "node:crypto";
import { toTagText } from "./canonical-text.ts";
import type { MessageType } from "./message-type.ts";
import {
  type FieldPath,
  type FieldReader,
  type FieldValues,
  findField,
  singleValue,
} from "./request-fields.ts";

/** In bytes. What any server takes; a longer tag is replaced by a hash of it. */
export const TAG_MAX_BYTES = 128;

/** In UTF-16 units. */
const TEMPLATE_MAX_LENGTH = 256;
const FIELDS_MAX = 8;

interface Part {
  /** What stands before the field. */
  readonly text: string;
  readonly path: FieldPath;
  readonly slot: number;
}

export class TagTemplate {
  readonly text: string;
  readonly #parts: readonly Part[];
  readonly #rest: string;

  constructor(text: string, parts: readonly Part[], rest: string) {
    this.text = text;
    this.#parts = parts;
    this.#rest = rest;
  }

  /** It gives a tag for each item of a repeated field. */
  get isList(): boolean {
    return this.#parts.some(({ path }) => path.leaf.repeated);
  }

  /** The template without the names of its fields: reads and writes that mean the same tags have the same. */
  get shape(): string {
    return `${this.#parts.map(({ text }) => `${text}{}`).join("")}${this.#rest}`;
  }

  /** Adds the tags of a request. Of a field that was not set stands nothing. */
  addTo(tags: Set<string>, values: FieldValues): void {
    let texts = [""];
    for (const { text, path, slot } of this.#parts) {
      const found = values[slot] ?? [];
      const single = path.leaf.repeated ? undefined : singleValue(path, found);
      const all = path.leaf.repeated ? found.map(toTagText) : [single === undefined ? "" : toTagText(single)];
      texts = texts.flatMap((before) => all.map((value) => `${before}${text}${value}`));
    }
    for (const text of texts) tags.add(shorten(`${text}${this.#rest}`));
  }
}

function shorten(tag: string): string {
  if (Buffer.byteLength(tag) <= TAG_MAX_BYTES) return tag;
  return `#${createHash("sha256").update(tag).digest("base64url")}`;
}

/** The template, or what is wrong with it, in words for an error that begins with its text. */
export function parseTemplate(text: string, type: MessageType, reader: FieldReader): TagTemplate | string {
  if (text.length === 0) return "is empty";
  if (text.length > TEMPLATE_MAX_LENGTH) return `is longer than ${TEMPLATE_MAX_LENGTH} characters`;
  const parts: Part[] = [];
  let before = "";
  let lists = 0;
  for (const token of text.split(/(\{[^{}]*\})/)) {
    if (!token.startsWith("{")) {
      if (/[{}]/.test(token)) return "has a brace without its other one";
      before += token;
      continue;
    }
    const name = token.slice(1, -1);
    const path = findField(type, name);
    if (typeof path === "string") return `has {${name}}, which ${path}`;
    if (path.leaf.repeated) lists += 1;
    if (lists > 1) return "has more than one repeated field";
    parts.push({ text: before, path, slot: reader.slotOf(path) });
    before = "";
  }
  if (parts.length > FIELDS_MAX) return `has more than ${FIELDS_MAX} fields`;
  return new TagTemplate(text, parts, before);
}

/** The tags of a request, each once. */
export function expand(templates: readonly TagTemplate[], values: FieldValues): readonly string[] {
  if (templates.length === 0) return NO_TAGS;
  const tags = new Set<string>();
  for (const template of templates) template.addTo(tags, values);
  return [...tags];
}

const NO_TAGS: readonly string[] = Object.freeze([]);
