/** Finds settings that contradict each other, though each is in its range. */
import { parseListenAddress } from "../../common/host-port.ts";
import { CONTENT_ENCODING_MAX_BYTES } from "../../common/name-limits.ts";
import { LIMIT_RELATIONS } from "../../rpc/limits.ts";
import { type Missing, missingProtection } from "../../security/exposure.ts";
import { onlyRequestMaxBytes } from "../../server/limits/transport-limits.ts";
import {
  checkNamespaceBounds,
  headBytes,
  headMaxBytes,
  STORE_BOUNDS,
  storeBudgetBound,
} from "../../store/engine/store-options.ts";
import { plural } from "../output/text.ts";
import { type Machine, sharesPorts } from "./machine.ts";
import { toQuantity } from "./quantity.ts";
import { infoOf, namespaceBounds, type SettingName, type Settings } from "./settings.ts";

export interface SettingsFault {
  /** The source of the value, such as "--shards" or "meshcache.yaml:3 shards". */
  readonly where: string;
  readonly message: string;
}

export interface ResolvedSettings {
  readonly values: Settings;
  /** Whether a source gave the value. Else it is a default. */
  readonly isGiven: (name: SettingName) => boolean;
  /** The source of each value: as in a fault, or "default", with what decided it if that is not the same everywhere. */
  readonly originOf: (name: SettingName) => string;
}

/**
 * Pairs of settings of which the first must not exceed the second. A message must carry what another setting allows.
 */
const RELATIONS: readonly (readonly [smaller: SettingName, greater: SettingName])[] = [
  ...LIMIT_RELATIONS,
  ["keyMaxBytes", "batchMaxBytes"],
  ["tagMaxBytes", "batchMaxBytes"],
  ["valueMaxBytes", "batchMaxBytes"],
  ["batchMaxBytes", "receiveMaxBytes"],
  ["receiveMaxBytes", "connectionMaxHeldBytes"],
  ["queueMaxBytes", "queuesMaxBytes"],
  ["connectionMaxHeldBytes", "heldMaxBytes"],
];

/** A fault for every conflict, at the setting that was given. */
export function conflictsOf(settings: ResolvedSettings, machine: Machine): SettingsFault[] {
  const { values, isGiven, originOf } = settings;
  const whereOf = (one: SettingName, other: SettingName) => originOf(isGiven(one) ? one : other);
  const faults = [...securityConflicts(settings), ...tierConflicts(settings)];
  for (const [smaller, greater] of RELATIONS) {
    if (values[smaller] <= values[greater]) continue;
    const message = `${describe(smaller, values)} must not be greater than ${describe(greater, values)}`;
    faults.push({ where: whereOf(smaller, greater), message });
  }
  const room = requestRoomConflict(values);
  if (room !== undefined) faults.push({ where: whereOf("receiveMaxBytes", "heldMaxBytes"), message: room });
  if (values.residentMaxBytes !== 0 && values.storeBudgetBytes > values.residentMaxBytes) {
    const message = `${describe("storeBudgetBytes", values)} must not be greater than ${describe("residentMaxBytes", values)}`;
    faults.push({ where: whereOf("storeBudgetBytes", "residentMaxBytes"), message });
  }
  const budget = budgetConflict(values);
  if (budget !== undefined) {
    faults.push({ where: whereOf("storeBudgetBytes", "shards"), message: budget });
  }
  for (const fault of [namespaceConflict(values), headConflict(values), valueConflict(settings)]) {
    if (fault !== undefined) faults.push({ where: originOf(fault.name), message: fault.message });
  }
  if (values.workers > 1 && values.storeEngine === "lru") {
    const message = `workers (${values.workers}) must be 1 with storeEngine lru`;
    faults.push({ where: whereOf("workers", "storeEngine"), message });
  }
  if (values.snapshot !== "" && values.storeEngine === "lru") {
    const message = "snapshot needs storeEngine offheap";
    faults.push({ where: whereOf("snapshot", "storeEngine"), message });
  }
  if (values.workers > 1 && !sharesPorts(machine)) {
    const message = `workers (${values.workers}) must be 1 on ${machine.platform}, where no port can be shared`;
    faults.push({ where: originOf("workers"), message });
  }
  return faults;
}

function securityConflicts({ values, originOf, isGiven }: ResolvedSettings): SettingsFault[] {
  const { tlsCert, tlsKey, tlsClientCa, tokens, jwtIssuers, policy, plaintext, anonymous, adminTls } = values;
  const faults: SettingsFault[] = [];
  const encrypts = tlsCert !== "";
  if (encrypts !== (tlsKey !== "")) {
    faults.push({
      where: originOf(encrypts ? "tlsCert" : "tlsKey"),
      message: "tlsCert and tlsKey go together",
    });
  }
  if (tlsClientCa !== "" && !encrypts) {
    faults.push({ where: originOf("tlsClientCa"), message: "tlsClientCa needs tlsCert and tlsKey" });
  }
  if (policy !== "" && tlsClientCa === "" && tokens === "" && jwtIssuers === "") {
    faults.push({ where: originOf("policy"), message: "policy needs tlsClientCa, tokens or jwtIssuers" });
  }
  for (const port of ["listen", "http", "admin"] as const) {
    const host = parseListenAddress(values[port])?.host;
    if (host === undefined) continue;
    const speaksTls = encrypts && (port !== "admin" || adminTls === "on");
    const hasTokens = port !== "admin" && (tokens !== "" || jwtIssuers !== "");
    const identifies = (speaksTls && tlsClientCa !== "") || hasTokens;
    const missing = missingProtection({ host, encrypts: speaksTls, identifies, plaintext, anonymous });
    if (missing === undefined) continue;
    faults.push({
      where: isGiven(port) ? originOf(port) : port,
      message: `${values[port]} ${port === "admin" && missing === "identity" ? ADMIN_NEEDS_IDENTITY : NEEDS[missing]}`,
    });
  }
  return faults;
}

/** Settings that say how the engine is reached. */
const OF_THE_ENGINE = ["tierTls", "tierCa", "tierCert", "tierKey", "tierUser", "tierPasswordFile"] as const;

function tierConflicts({ values, originOf }: ResolvedSettings): SettingsFault[] {
  const { tier, tierTls, tierCa, tierCert, tierKey, tierUser, tierPasswordFile, workers } = values;
  const faults: SettingsFault[] = [];
  const refuse = (name: SettingName, message: string) => faults.push({ where: originOf(name), message });
  if (tier === "") {
    for (const name of OF_THE_ENGINE)
      if (values[name] !== false && values[name] !== "") refuse(name, `${name} needs tier`);
    return faults;
  }
  if (values.snapshot !== "")
    refuse("snapshot", "snapshot has no meaning with tier: its engine keeps the entries");
  if (Object.keys(values.namespaces).length > 0) {
    refuse("namespaces", "namespaces cannot be bounded with tier: its engine does not account them");
  }
  if (workers > 1) refuse("workers", `workers (${workers}) must be 1 with tier: start more servers`);
  const certificate = tierCa === "" ? "tierCert" : "tierCa";
  if (!tierTls && values[certificate] !== "") refuse(certificate, `${certificate} needs tierTls`);
  if ((tierCert === "") !== (tierKey === "")) {
    refuse(tierCert === "" ? "tierKey" : "tierCert", "tierCert and tierKey go together");
  }
  if (tierUser !== "" && tierPasswordFile === "") refuse("tierUser", "tierUser needs tierPasswordFile");
  return faults;
}

/** What an address beyond loopback needs. */
const NEEDS: Readonly<Record<Missing, string>> = {
  tls: "is not loopback: it needs TLS (tlsCert, tlsKey), or --plaintext where sidecars or the network encrypt",
  identity:
    "is not loopback: it needs identities (tlsClientCa, tokens or jwtIssuers), or --anonymous where whoever reaches it may do everything",
};

const ADMIN_NEEDS_IDENTITY =
  "is not loopback: it needs client certificates (tlsClientCa), or --anonymous where whoever reaches it may do everything";

/** The last of the memory of calls is for answers. */
function requestRoomConflict(values: Settings): string | undefined {
  const most = onlyRequestMaxBytes(values.heldMaxBytes);
  if (values.receiveMaxBytes <= most) return undefined;
  return `${describe("receiveMaxBytes", values)} must not be greater than seven eighths of ${describe("heldMaxBytes", values)}, ${toQuantity(most, "bytes")}: the rest is for answers`;
}

/** The budget is bounded for each shard. */
function budgetConflict(values: Settings): string | undefined {
  const { storeBudgetBytes, storeEngine, shards } = values;
  const { min, max } = storeBudgetBound(storeEngine, shards);
  if (storeBudgetBytes >= min && storeBudgetBytes <= max) return undefined;
  const range = `${toQuantity(min, "bytes")} to ${toQuantity(max, "bytes")}`;
  const must = `${describe("storeBudgetBytes", values)} must be ${range} with ${plural(shards, "shard")}`;
  if (storeBudgetBytes < min) return must;
  const most = storeBudgetBound(storeEngine, STORE_BOUNDS.shards.max).max;
  return `${must}; up to ${toQuantity(most, "bytes")} with more shards`;
}

interface Conflict {
  readonly name: SettingName;
  readonly message: string;
}

function namespaceConflict(values: Settings): Conflict | undefined {
  const { storeBudgetBytes, namespacesMax } = values;
  try {
    checkNamespaceBounds(namespaceBounds(values), { budgetBytes: storeBudgetBytes, namespacesMax });
    return undefined;
  } catch (error) {
    return { name: "namespaces", message: error instanceof Error ? error.message : String(error) };
  }
}

/** The off-heap engine keeps an entry without its value in one piece. */
function headConflict(values: Settings): Conflict | undefined {
  const { storeEngine, storeBudgetBytes, shards } = values;
  const { namespaceMaxBytes, keyMaxBytes, contentTypeMaxBytes, entryMaxTags, tagMaxBytes } = values;
  if (storeEngine !== "offheap" || budgetConflict(values) !== undefined) return undefined;
  const most = headMaxBytes(Math.floor(storeBudgetBytes / shards));
  const texts = [
    namespaceMaxBytes,
    keyMaxBytes,
    contentTypeMaxBytes,
    CONTENT_ENCODING_MAX_BYTES,
    ...Array(entryMaxTags).fill(tagMaxBytes),
  ];
  const head = headBytes(texts);
  if (head <= most) return undefined;
  const parts = ["keyMaxBytes", "entryMaxTags", "tagMaxBytes"] as const;
  const message = `${parts.map((name) => describe(name, values)).join(", ")} allow entries of ${toQuantity(head, "bytes")} beside their value; storeEngine offheap keeps ${toQuantity(most, "bytes")} with this budget and these shards`;
  return { name: "keyMaxBytes", message };
}

/** A larger value would be evicted as soon as it is stored. */
function valueConflict({ values, isGiven }: ResolvedSettings): Conflict | undefined {
  const { valueMaxBytes, storeBudgetBytes, shards } = values;
  const most = Math.floor(storeBudgetBytes / shards / 2);
  if (!isGiven("valueMaxBytes") || valueMaxBytes <= most) return undefined;
  const message = `${describe("valueMaxBytes", values)} must not be greater than half of a shard's part of storeBudgetBytes, ${toQuantity(most, "bytes")}: a larger value could not be kept`;
  return { name: "valueMaxBytes", message };
}

/** "valueMaxBytes (8 MiB)" */
function describe(name: SettingName, values: Settings): string {
  const value = values[name];
  return `${name} (${typeof value === "number" ? toQuantity(value, infoOf(name).unit) : value})`;
}
