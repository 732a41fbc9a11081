/** Every comparison, in the order of the targets table. */
import type { Comparison } from "../comparison.ts";
import { compression } from "./compression.ts";
import { countersOfUse } from "./counters.ts";
import { earlier } from "./earlier.ts";
import { fanOut } from "./fan-out.ts";
import { gcPause } from "./gc-pause.ts";
import { hitRatio } from "./hit-ratio.ts";
import { httpHitsOverNginx, httpHitsOverVarnish, httpIdle } from "./http-proxy.ts";
import { keyvGet } from "./keyv.ts";
import { nearHit } from "./near-hit.ts";
import { meteredPolicy } from "./policy.ts";
import {
  remoteGet,
  remoteGetLarge,
  remoteGetNodeRedis,
  remoteGetValkey,
  remoteIncrement,
  remoteSet,
} from "./remote-operations.ts";
import { cachedResponses } from "./responses.ts";
import { restart } from "./restart.ts";
import { startUp } from "./start-up.ts";
import { storeMemory } from "./store-memory.ts";
import { tailLatency } from "./tail-latency.ts";
import { tierEvents } from "./tier-events.ts";
import { tierMemory } from "./tier-memory.ts";
import { tierGet, tierSet } from "./tier-operations.ts";
import { tierShape } from "./tier-shape.ts";
import { remoteGetTls, tlsHandshakes, tlsMemory } from "./tls.ts";
import { unaryGet } from "./unary-get.ts";

export const comparisons: readonly Comparison[] = [
  remoteGet,
  remoteGetLarge,
  remoteGetNodeRedis,
  remoteGetValkey,
  remoteSet,
  remoteIncrement,
  compression,
  unaryGet,
  nearHit,
  storeMemory,
  gcPause,
  fanOut,
  tailLatency,
  hitRatio,
  remoteGetTls,
  tlsHandshakes,
  tlsMemory,
  meteredPolicy,
  countersOfUse,
  earlier,
  restart,
  startUp,
  cachedResponses,
  httpHitsOverNginx,
  httpHitsOverVarnish,
  httpIdle,
  keyvGet,
  tierGet,
  tierSet,
  tierEvents,
  tierShape,
  tierMemory,
];

/** Selects comparisons by name or by the id of a row; without names, all. Throws RangeError for an unknown name. */
export function selectComparisons(names: readonly string[]): readonly Comparison[] {
  for (const name of names) {
    if (!comparisons.some((one) => matches(one, name))) {
      const known = comparisons.map((one) => `${one.name} (${one.ids.join(", ")})`).join(", ");
      throw new RangeError(`${name}: no such row; there are ${known}`);
    }
  }
  return names.length === 0
    ? comparisons
    : comparisons.filter((one) => names.some((name) => matches(one, name)));
}

const matches = (comparison: Comparison, name: string): boolean =>
  comparison.name === name || comparison.ids.includes(name);
