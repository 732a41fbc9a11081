/** What one setting is: the schema that checks its value, and what help and tables say about it. */
import { parse } from "yaml";
import { z } from "zod";
import type { Bound } from "../../common/bound.ts";
import { LISTEN_ADDRESS_FORM, parseListenAddress } from "../../common/host-port.ts";
import { ADMIN_HOSTS, ORIGINS } from "../../server/limits/admin-limits.ts";
import { NAMESPACE_PATTERN } from "../../store/engine/store-options.ts";
import { parseTierAddress, TIER_ADDRESS_FORM } from "../../tier/options.ts";
import { parseBytes, parseCount, parseDurationMs, toQuantity, type Unit } from "./quantity.ts";

export interface SettingInfo {
  readonly group: string;
  /** The default, or what it depends on. */
  readonly initial: string | number | Dependent;
  /** Empty for a plain number and for text. */
  readonly unit: Unit;
  /** What the value may be, in words. */
  readonly bound: string;
  readonly description: string;
}

/** A default that is not the same everywhere, in words. */
export interface Dependent {
  readonly words: string;
}

/** The information about each schema that a function of this file has made. */
export const INFOS = z.registry<SettingInfo>();

const PARSERS: Readonly<Record<Unit, (text: string) => number | undefined>> = {
  "": parseCount,
  bytes: parseBytes,
  ms: parseDurationMs,
};
const FORMS: Readonly<Record<Unit, string>> = {
  "": "a whole number",
  bytes: 'bytes, or a size such as "64MiB"',
  ms: 'milliseconds, or a time such as "30s"',
};

/** A number. `unit` is what it counts; `initial` replaces the default in help and tables. */
export function quantitySetting(
  group: string,
  unit: Unit,
  { fallback, min, max }: Bound,
  description: string,
  initial: SettingInfo["initial"] = fallback,
) {
  const bound = `${toQuantity(min, unit)} to ${toQuantity(max, unit)}`;
  const error = `must be ${FORMS[unit]}, from ${bound}`;
  const number = z.int({ error }).min(min, { error }).max(max, { error });
  const fromText = (raw: unknown) => (typeof raw === "string" ? PARSERS[unit](raw) : raw);
  return z
    .preprocess(fromText, number)
    .default(fallback)
    .register(INFOS, { group, initial, unit, bound, description });
}

/**
 * YAML before 1.2 reads `off` and `on` as booleans, and so does Helm, which then writes them as such. Where a setting has these
 * words, the booleans mean them.
 */
function wordOf(raw: unknown, words: readonly string[]): unknown {
  const word = raw === false ? "off" : raw === true ? "on" : undefined;
  return word !== undefined && words.includes(word) ? word : raw;
}

/** One of several words. */
export function wordSetting<Word extends string>(
  group: string,
  words: readonly Word[],
  fallback: NoInfer<Word>,
  description: string,
) {
  const bound = words.join(", ");
  return z
    .preprocess((raw) => wordOf(raw, words), z.enum(words, { error: `must be one of ${bound}` }))
    .default(() => fallback)
    .register(INFOS, { group, initial: fallback, unit: "", bound, description });
}

/** The path of a file; empty for none. */
export function fileSetting(group: string, description: string) {
  return z
    .string({ error: "must be the path of a file" })
    .default("")
    .register(INFOS, { group, initial: { words: "none" }, unit: "", bound: "a path", description });
}

/** Names of hosts; empty for none. */
export function hostsSetting(group: string, description: string) {
  const error = 'must be names separated by commas, such as "cache.example,*.cache.svc", 64 at most';
  return z
    .string({ error })
    .toLowerCase()
    .refine((text) => text === "" || ADMIN_HOSTS.test(text), { error })
    .default("")
    .register(INFOS, { group, initial: { words: "none" }, unit: "", bound: "names", description });
}

/** Origins of pages; empty for none. */
export function originsSetting(group: string, description: string) {
  const error = 'must be origins separated by commas, such as "https://shop.example", 64 at most, or "*"';
  return z
    .string({ error })
    .toLowerCase()
    .refine((text) => text === "" || ORIGINS.test(text), { error })
    .default("")
    .register(INFOS, { group, initial: { words: "none" }, unit: "", bound: "origins", description });
}

/** What is off unless it is asked for. */
export function switchSetting(group: string, description: string) {
  const error = "must be true or false";
  const fromText = (raw: unknown) => (raw === "true" || raw === "false" ? raw === "true" : raw);
  return z
    .preprocess(fromText, z.boolean({ error }))
    .default(false)
    .register(INFOS, { group, initial: "false", unit: "", bound: "true, false", description });
}

/** A URL with a place for the id of a trace; empty for none. */
export function traceUrlSetting(group: string, description: string) {
  const error = 'must be an http or https URL with "{traceId}" in it, of at most 2,048 characters';
  return z
    .string({ error })
    .refine((text) => text === "" || isTraceUrl(text), { error })
    .default("")
    .register(INFOS, { group, initial: { words: "none" }, unit: "", bound: "a URL", description });
}

function isTraceUrl(text: string): boolean {
  const url = URL.parse(text.replaceAll("{traceId}", "0"));
  return text.length <= 2_048 && text.includes("{traceId}") && /^https?:$/.test(url?.protocol ?? "");
}

/** A URL; empty for none. */
export function urlSetting(group: string, description: string) {
  const error = "must be an http or https URL of at most 2,048 characters, without a password or a query";
  return z
    .string({ error })
    .refine((text) => text === "" || isPlainUrl(text), { error })
    .default("")
    .register(INFOS, { group, initial: { words: "none" }, unit: "", bound: "a URL", description });
}

function isPlainUrl(text: string): boolean {
  const { protocol = "", username, password, search, hash } = URL.parse(text) ?? {};
  return (
    text.length <= 2_048 && /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === ""
  );
}

const LABEL = String.raw`[a-zA-Z_]\w*(?:=~|!~|!=|=)"(?:[^"\\\n]|\\.)*"`;
const LABELS = new RegExp(`^(?:${LABEL}(?:,${LABEL})*)?$`);

/** What stands between the braces of a selector of Prometheus. */
export function labelsSetting(group: string, fallback: string, description: string) {
  const error = `must be labels of Prometheus with commas between, such as ${fallback}, of at most 1,024 characters`;
  return z
    .string({ error })
    .refine((text) => text.length <= 1_024 && LABELS.test(text), { error })
    .default(fallback)
    .register(INFOS, { group, initial: fallback, unit: "", bound: "labels", description });
}

/** Nodes of an engine; empty for none. */
export function tierSetting(group: string, description: string) {
  const error = `must be ${TIER_ADDRESS_FORM}`;
  return z
    .string({ error })
    .refine((text) => text === "" || parseTierAddress(text) !== undefined, { error })
    .default("")
    .register(INFOS, { group, initial: { words: "none" }, unit: "", bound: "an address", description });
}

/** The name of a user; empty for none. */
export function userSetting(group: string, description: string) {
  const error = "must be a name without spaces, of at most 128 characters";
  return z
    .string({ error })
    .regex(/^\S{0,128}$/, { error })
    .default("")
    .register(INFOS, { group, initial: { words: "none" }, unit: "", bound: "a name", description });
}

/** Where something listens; "off" too, if it is `optional`. */
export function listenSetting(group: string, fallback: string, description: string, optional = false) {
  const error = `must be ${LISTEN_ADDRESS_FORM}${optional ? ', or "off"' : ""}`;
  const bound = optional ? "HOST:PORT or off" : "HOST:PORT";
  const address = z
    .string({ error })
    .refine((text) => (optional && text === "off") || parseListenAddress(text) !== undefined, { error });
  return z
    .preprocess((raw) => wordOf(raw, optional ? ["off"] : []), address)
    .default(fallback)
    .register(INFOS, { group, initial: fallback, unit: "", bound, description });
}

/** Bounds of namespaces: a map in the file, and the same as YAML in one line elsewhere. */
export function namespacesSetting(group: string, description: string) {
  const error =
    'must be a map of namespaces, such as {"users": {"floorBytes": "16MiB"}, "import-*": {"ceilingBytes": "64MiB"}}';
  const bytes = z.preprocess(
    (raw) => (typeof raw === "string" ? parseBytes(raw) : raw),
    z.int({ error }).min(1, { error }),
  );
  const bounds = z.strictObject({ ceilingBytes: bytes.optional(), floorBytes: bytes.optional() }, { error });
  const map = z.record(z.string().regex(NAMESPACE_PATTERN, { error }), bounds, { error });
  return z
    .preprocess((raw) => (typeof raw === "string" ? parseFlow(raw) : raw), map)
    .default({})
    .register(INFOS, { group, initial: { words: "none" }, unit: "", bound: "a map", description });
}

function parseFlow(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return text;
  }
}
