/** The target of each row. */
import type { Target } from "./comparison.ts";

const atLeast = (must: number, ambition: number): Target => ({ must, ambition, better: "higher" });
const atMost = (must: number, ambition: number): Target => ({ must, ambition, better: "lower" });

export const targets = {
  remoteGet: atLeast(1.3, 2),
  tlsOverPlaintext: atLeast(0.9, 1.1),
  policyOverNone: atLeast(0.97, 0.99),
  countersOverNone: atLeast(0.97, 0.99),
  remoteGetLarge: atLeast(0.8, 1.2),
  remoteIncrement: atLeast(1.2, 1.6),
  clientCpu: atMost(0.5, 0.35),
  unaryGet: atLeast(0.85, 0.95),
  nearHitOverRedis: atLeast(10, 20),
  nearHitOverGlide: atLeast(50, 200),
  nearHitOverLruCache: atLeast(0.6, 0.8),
  residentBytes: atMost(1.25, 0.9),
  gcPauseMs: atMost(10, 5),
  fanOutP50: atMost(1.2, 1),
  fanOutP99: atMost(1.5, 1),
  tailOverMedian: atMost(30, 10),
  cachedCall: atLeast(10, 30),
  cachedCallMicros: atMost(4, 3),
  missedCall: atMost(1.15, 1.08),
  httpHits: atLeast(0.25, 0.6),
  httpHitP99: atMost(2, 1),
  httpIdleBytes: atMost(40_000, 20_000),
  keyvGet: atLeast(5, 20),
  hitRatioOverLru: atLeast(0.01, 0.025),
  snapshotOverRedis: atLeast(2, 4),
  snapshotAddsMs: atMost(1_000, 500),
  servingMs: atMost(1_000, 750),
  tierGet: atLeast(0.45, 0.8),
  tierSet: atLeast(0.12, 0.3),
  tierGetEngineCpu: atMost(1.6, 1.2),
  tierEntryBytes: atMost(1.4, 1.2),
  tierEventP50: atMost(2, 1.2),
} as const satisfies Record<string, Target>;
