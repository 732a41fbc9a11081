/**
 * Settles the settings from their sources, flag over environment over file over default, and finds every fault
 * of every source in one go.
 */
import { isMap, isNode, isScalar, LineCounter, parseDocument } from "yaml";
import { WORKERS_MAX } from "../../server/workers/thread-ports.ts";
import type { StoreEngine } from "../../store/engine/create-store.ts";
import { SHARD_BUDGET_MIN_BYTES } from "../../store/engine/store-options.ts";
import { oneLine } from "../output/text.ts";
import { type Machine, sharesPorts } from "./machine.ts";
import {
  isSettingName,
  RELATIONS,
  SETTING_NAMES,
  type SettingName,
  type Settings,
  settingsSchema,
  toFlag,
  toVariable,
} from "./settings.ts";

export interface SettingsSources {
  /** By setting; `undefined` where the flag was not given. */
  readonly flags: Readonly<Partial<Record<SettingName, string | undefined>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly filePath: string | undefined;
  /** Returns the file's text, or throws. */
  readonly readFile: (path: string) => string;
  readonly machine: Machine;
}

export interface SettingsFault {
  /** Where the fault is, such as "--shards" or "meshcache.yaml:3 shards". */
  readonly where: string;
  readonly message: string;
}

export interface ResolvedSettings {
  readonly values: Settings;
  /** Where each value came from: "default", or as in a fault. */
  readonly originOf: (name: SettingName) => string;
}

/** Every fault of every source: nothing was settled. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  readonly faults: readonly SettingsFault[];

  constructor(faults: readonly SettingsFault[]) {
    super(faults.map(({ where, message }) => `${where}: ${message}`).join("; "));
    this.faults = faults;
  }
}

/** A value that a source gave, not yet checked. */
interface Given {
  readonly where: string;
  readonly raw: unknown;
}
type GivenSettings = Map<SettingName, Given>;

const NO_SETTING = "is no setting of meshcache";

/** Variables that are the command line's own, not the server's settings. */
const OTHER_VARIABLES = new Set([
  "MESHCACHE_CONFIG",
  "MESHCACHE_ADDRESS",
  "MESHCACHE_NAMESPACE",
  "MESHCACHE_TRACES",
]);

/** Kubernetes sets these in every pod beside a Service that is named "meshcache". They are not ours to refuse. */
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
    if (isSettingName(name)) given.set(name, { where, raw: isScalar(value) ? value.value : null });
    else faults.push({ where, message: NO_SETTING });
  }
  return given;
}

/** Every fault of one source's values, whether or not a stronger source hides them. */
function check(given: GivenSettings): SettingsFault[] {
  const raw = Object.fromEntries([...given].map(([name, value]) => [name, value.raw]));
  const result = settingsSchema.safeParse(raw);
  if (result.success) return [];
  return result.error.issues.map(({ path, message }) => {
    const name = String(path[0]);
    return { where: (isSettingName(name) && given.get(name)?.where) || name, message };
  });
}

function relate({ values, originOf }: ResolvedSettings, machine: Machine): SettingsFault[] {
  const whereOf = (one: SettingName, other: SettingName) =>
    originOf(one) === "default" ? originOf(other) : originOf(one);
  const faults = RELATIONS.filter(([smaller, greater]) => values[smaller] > values[greater]).map(
    ([smaller, greater]) => ({
      where: whereOf(smaller, greater),
      message: `${smaller} (${values[smaller]}) must not be greater than ${greater} (${values[greater]})`,
    }),
  );
  const budgetMinBytes = values.shards * SHARD_BUDGET_MIN_BYTES;
  if (values.storeBudgetBytes < budgetMinBytes) {
    faults.push({
      where: whereOf("storeBudgetBytes", "shards"),
      message: `storeBudgetBytes (${values.storeBudgetBytes}) must be at least ${budgetMinBytes} for ${values.shards} shards`,
    });
  }
  if (values.workers > 1 && values.storeEngine === "lru") {
    faults.push({
      where: whereOf("workers", "storeEngine"),
      message: `workers (${values.workers}) must be 1 with storeEngine lru`,
    });
  }
  if (values.workers > 1 && !sharesPorts(machine)) {
    faults.push({
      where: originOf("workers"),
      message: `workers (${values.workers}) must be 1 on ${machine.platform}, where no port can be shared`,
    });
  }
  return faults;
}

/** Settles every setting. Throws a `SettingsError` with every fault there is. */
export function resolveSettings(sources: SettingsSources): ResolvedSettings {
  const faults: SettingsFault[] = [];
  const layers = [fromFile(sources, faults), fromEnvironment(sources.env, faults), fromFlags(sources.flags)];
  for (const layer of layers) faults.push(...check(layer));
  if (faults.length > 0) throw new SettingsError(faults);

  const given = new Map(layers.flatMap((layer) => [...layer]));
  const parsed = settingsSchema.parse(Object.fromEntries([...given].map(([name, { raw }]) => [name, raw])));
  const values = given.has("workers")
    ? parsed
    : { ...parsed, workers: workersUnlessGiven(parsed.storeEngine, sources.machine) };
  const origins = new Map(SETTING_NAMES.map((name) => [name, given.get(name)?.where ?? "default"]));
  const resolved: ResolvedSettings = { values, originOf: (name) => origins.get(name) ?? "default" };
  const conflicts = relate(resolved, sources.machine);
  if (conflicts.length > 0) throw new SettingsError(conflicts);
  return resolved;
}

/** As many as there are cores to keep busy, where there may be more than one. */
function workersUnlessGiven(engine: StoreEngine, machine: Machine): number {
  return engine === "lru" || !sharesPorts(machine) ? 1 : Math.min(machine.cores, WORKERS_MAX);
}
