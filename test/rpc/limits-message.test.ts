/** The limits in Opened: what a server says comes back, and what an older one does not say is assumed. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { LimitsSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { LIMIT_BOUNDS, resolveLimits } from "../../src/rpc/limits.ts";
import { fromLimitsMessage, type GreetedLimits, toLimitsMessage } from "../../src/rpc/limits-message.ts";

const { leaseDefaultMs: _, ...assumedLimits } = resolveLimits();
const assumed: GreetedLimits = { ...assumedLimits, exchangeMaxWaitingBatches: 4_096 };

function ofBounds(end: "min" | "max"): GreetedLimits {
  const bounds = Object.entries(LIMIT_BOUNDS).map(([name, bound]) => [name, bound[end]]);
  const { leaseDefaultMs: _, ...limits } = { ...assumed, ...Object.fromEntries(bounds) };
  return limits;
}

describe("The limits of a greeting", () => {
  it.each<[string, GreetedLimits]>([
    ["the smallest", ofBounds("min")],
    ["the default", assumed],
    ["the greatest", ofBounds("max")],
  ])("come back as they were: %s", (_name, limits) => {
    const bytes = toBinary(LimitsSchema, toLimitsMessage(limits));
    const other: GreetedLimits = { ...assumed, ...ofBounds("max"), exchangeMaxWaitingBatches: 1 };
    expect(fromLimitsMessage(fromBinary(LimitsSchema, bytes), other)).toEqual(limits);
  });

  it("are assumed where the server does not say them", () => {
    expect(fromLimitsMessage(create(LimitsSchema), assumed)).toEqual(assumed);
    const some = create(LimitsSchema, { keyMaxBytes: 7, entryMaxTags: 0 });
    expect(fromLimitsMessage(some, assumed)).toEqual({ ...assumed, keyMaxBytes: 7, entryMaxTags: 0 });
  });
});
