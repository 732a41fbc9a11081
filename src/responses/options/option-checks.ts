/** Checks of the options of methods, which report what is wrong with them. */
import { Code } from "../../../gen/meshcache/options/v1/caching_pb.ts";
import { parseDuration } from "../../common/duration.ts";
import { metadataFault } from "./metadata-rules.ts";
import type { FieldReader } from "./request-fields.ts";
import type { ServiceMethod } from "./service-methods.ts";
import { parseTemplate, TagTemplate } from "./template.ts";

/** Takes what is wrong with an option: "cache.key", and a text that goes on from its name. */
export type Report = (option: string, text: string) => void;

export const LIST_MAX = 16;
const TAGS_MAX = 16;
const LIFETIME_MAX_MS = 365 * 86_400_000;
const CODES: ReadonlySet<number> = new Set(Object.values(Code));

/** What a call may end with whatever the service has or has done. */
export const TRANSIENT: readonly Code[] = [Code.OK, Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.UNAVAILABLE];

export const methodName = ({ service, name }: ServiceMethod): string => `${service}.${name}`;

export function readTemplates(
  texts: readonly string[],
  option: string,
  method: ServiceMethod,
  reader: FieldReader,
  report: Report,
): TagTemplate[] {
  return checkList(texts, option, TAGS_MAX, report).flatMap((text) => {
    const template = parseTemplate(text, method.input, reader);
    if (template instanceof TagTemplate) return [template];
    report(option, `"${text}" ${template}`);
    return [];
  });
}

/** Undefined: it is not given, or wrong. */
export function readTime(text: string, option: string, minMs: number, report: Report): number | undefined {
  if (text === "") return undefined;
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= minMs && ms <= LIFETIME_MAX_MS) return ms;
  report(option, `is "${text}", and must be a time from ${minMs}ms to 365d, such as "60s"`);
  return undefined;
}

export function checkNames(names: readonly string[], option: string, most: number, report: Report): string[] {
  for (const name of names) {
    const fault = metadataFault(name, option.endsWith("vary_metadata") ? "vary" : "other");
    if (fault !== undefined) report(option, `"${name}" ${fault}`);
  }
  return checkList(names, option, most, report);
}

export function checkList(items: readonly string[], option: string, most: number, report: Report): string[] {
  if (items.length > most) report(option, `has ${items.length} items, and may have ${most}`);
  const different = [...new Set(items)];
  if (different.length < items.length) report(option, "has an item twice");
  return different;
}

export function checkCodes(
  codes: readonly Code[],
  option: string,
  refused: readonly Code[],
  why: string,
  report: Report,
): void {
  for (const code of codes) {
    if (!CODES.has(code)) report(option, `has ${code}, which is no status of gRPC`);
    else if (refused.includes(code)) report(option, `has ${nameOf(code)}, which ${why}`);
  }
}

function nameOf(code: Code): string {
  return Object.entries(Code).find(([, value]) => value === code)?.[0] ?? String(code);
}
