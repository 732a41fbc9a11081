/** Metadata of grpc-js as the cache of responses sees it. */
import { Metadata } from "@grpc/grpc-js";
import type { Metadatum } from "../answer.ts";
import { SOURCE_METADATA } from "../answer-source.ts";
import type { CallMetadata } from "../caller-variant.ts";

export function toCallMetadata(metadata: Metadata): CallMetadata {
  return { names: Object.keys(metadata.getMap()), valuesOf: (name) => metadata.get(name) };
}

export function toList(metadata: Metadata): Metadatum[] {
  return Object.entries(metadata.toJSON()).flatMap(([name, values]) =>
    values.map((value) => ({ name, value })),
  );
}

/** `mark`: the value of x-meshcache. */
export function toMetadata(list: readonly Metadatum[], mark?: string): Metadata {
  const metadata = new Metadata();
  for (const { name, value } of list) metadata.add(name, typeof value === "string" ? value : asBuffer(value));
  if (mark !== undefined) metadata.set(SOURCE_METADATA, mark);
  return metadata;
}

/** A copy with the mark. */
export function withMark(metadata: Metadata | undefined, mark: string): Metadata {
  const marked = metadata?.clone() ?? new Metadata();
  marked.set(SOURCE_METADATA, mark);
  return marked;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
