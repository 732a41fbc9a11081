/**
 * Reads the settings from their sources: from flags, else from the environment, else from the file, else their
 * defaults. Finds every fault of every source at once.
 */
import { isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { oneLine } from "../output/text.ts";
import { conflictsOf, type ResolvedSettings, type SettingsFault } from "./conflicts.ts";
import { fitDefaults } from "./fitted-defaults.ts";
import type { Machine } from "./machine.ts";
import { toFlag, toVariable } from "./names.ts";
import { isSettingName, SETTING_NAMES, type SettingName, settingsSchema } from "./settings.ts";

export interface SettingsSources {
  /** By setting. Undefined: the flag was not given. */
  readonly flags: Readonly<Partial<Record<SettingName, string | true | undefined>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly filePath: string | undefined;
  /** Returns the text of the file, or throws. */
  readonly readFile: (path: string) => string;
  readonly machine: Machine;
}

/** All faults of all sources. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  readonly faults: readonly SettingsFault[];

  constructor(faults: readonly SettingsFault[]) {
    super(faults.map(({ where, message }) => `${where}: ${message}`).join("; "));
    this.faults = faults;
  }
}

/** An unchecked value, and where it was given. */
interface Given {
  readonly where: string;
  readonly raw: unknown;
}
type GivenSettings = Map<SettingName, Given>;

const NO_SETTING = "is not a setting of meshcache";

/** Variables of the other commands and of the tests, which are not settings. */
export const OTHER_VARIABLES = new Set([
  "MESHCACHE_CONFIG",
  "MESHCACHE_ADDRESS",
  "MESHCACHE_NAMESPACE",
  "MESHCACHE_TRACES",
  "MESHCACHE_TLS_CA",
  "MESHCACHE_TLS_SERVER_NAME",
  "MESHCACHE_TOKEN_FILE",
]);

/** Kubernetes sets these in every pod of a namespace with a Service named "meshcache". They are ignored. */
const SERVICE_LINK =
  /^MESHCACHE_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)$/;

function fromFlags(flags: SettingsSources["flags"]): GivenSettings {
  const given: GivenSettings = new Map();
  for (const name of SETTING_NAMES) {
    const raw = flags[name];
    if (raw !== undefined) given.set(name, { where: toFlag(name), raw });
  }
  return given;
}

function fromEnvironment(env: SettingsSources["env"], faults: SettingsFault[]): GivenSettings {
  const given: GivenSettings = new Map();
  const names = new Map(SETTING_NAMES.map((name) => [toVariable(name), name]));
  for (const [variable, raw] of Object.entries(env)) {
    if (raw === undefined || !variable.startsWith("MESHCACHE_")) continue;
    const name = names.get(variable);
    if (name !== undefined) given.set(name, { where: variable, raw });
    else if (!OTHER_VARIABLES.has(variable) && !SERVICE_LINK.test(variable)) {
      faults.push({ where: variable, message: NO_SETTING });
    }
  }
  return given;
}

function fromFile({ filePath, readFile }: SettingsSources, faults: SettingsFault[]): GivenSettings {
  const given: GivenSettings = new Map();
  if (filePath === undefined) return given;
  let text: string;
  try {
    text = readFile(filePath);
  } catch (error) {
    const why = error instanceof Error && "code" in error ? String(error.code) : "error";
    faults.push({ where: filePath, message: `cannot be read (${why})` });
    return given;
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => `${filePath}:${lines.linePos(offset).line}`;
  for (const error of document.errors) faults.push({ where: at(error.pos[0]), message: error.message });
  if (document.errors.length > 0 || document.contents === null) return given;

  if (!isMap(document.contents)) {
    faults.push({ where: filePath, message: "must be a mapping of settings" });
    return given;
  }
  for (const { key, value } of document.contents.items) {
    const name = isScalar(key) ? String(key.value) : "";
    const where = `${at(isNode(key) ? (key.range?.[0] ?? 0) : 0)} ${oneLine(name)}`;
    if (isSettingName(name)) given.set(name, { where, raw: isNode(value) ? value.toJS(document) : null });
    else faults.push({ where, message: NO_SETTING });
  }
  return given;
}

/** The faults of one source, also of values that another source overrides. */
function check(given: GivenSettings): SettingsFault[] {
  const raw = Object.fromEntries([...given].map(([name, value]) => [name, value.raw]));
  const result = settingsSchema.safeParse(raw);
  if (result.success) return [];
  return result.error.issues.map(({ path, message }) => {
    const name = String(path[0]);
    return { where: (isSettingName(name) && given.get(name)?.where) || name, message };
  });
}

/** Throws a `SettingsError` with all faults. */
export function resolveSettings(sources: SettingsSources): ResolvedSettings {
  const faults: SettingsFault[] = [];
  const layers = [fromFile(sources, faults), fromEnvironment(sources.env, faults), fromFlags(sources.flags)];
  for (const layer of layers) faults.push(...check(layer));
  if (faults.length > 0) throw new SettingsError(faults);

  const given = new Map(layers.flatMap((layer) => [...layer]));
  const parsed = settingsSchema.parse(Object.fromEntries([...given].map(([name, { raw }]) => [name, raw])));
  const isGiven = (name: SettingName) => given.has(name);
  const connectionMaxSubscriptions = isGiven("connectionMaxSubscriptions")
    ? parsed.connectionMaxSubscriptions
    : parsed.connectionMaxStreams;
  const followed = { ...parsed, connectionMaxSubscriptions };
  const { values, reasons } = fitDefaults(followed, isGiven, sources.machine);
  const originOf = (name: SettingName) => {
    const reason = reasons.get(name);
    return given.get(name)?.where ?? (reason === undefined ? "default" : `default: ${reason}`);
  };
  const resolved: ResolvedSettings = { values, isGiven, originOf };
  const conflicts = conflictsOf(resolved, sources.machine);
  if (conflicts.length > 0) throw new SettingsError(conflicts);
  return resolved;
}
