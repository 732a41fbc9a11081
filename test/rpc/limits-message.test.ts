/** The limits in Opened: what a server says comes back, and what an older one does not say is assumed. */
import { readFileSync } from "node:fs";
import { create, fromBinary, ScalarType, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { LimitsSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { LIMIT_BOUNDS, resolveLimits } from "../../src/rpc/limits.ts";
import { fromLimitsMessage, type OpenedLimits, toLimitsMessage } from "../../src/rpc/limits-message.ts";
import { TRANSPORT_BOUNDS } from "../../src/server/limits/transport-limits.ts";

const { leaseDefaultMs: _, ...assumedLimits } = resolveLimits();
const assumed: OpenedLimits = {
  ...assumedLimits,
  exchangeMaxWaitingBatches: 4_096,
  namespacePrefixes: true,
  contentEncodings: true,
};

function ofBounds(end: "min" | "max"): OpenedLimits {
  const bounds = Object.entries(LIMIT_BOUNDS).map(([name, bound]) => [name, bound[end]]);
  const { leaseDefaultMs: _, ...limits } = { ...assumed, ...Object.fromEntries(bounds) };
  return limits;
}

describe("The limits of a greeting", () => {
  it.each<[string, OpenedLimits]>([
    ["the smallest", ofBounds("min")],
    ["the default", assumed],
    ["the greatest", ofBounds("max")],
  ])("come back as they were: %s", (_name, limits) => {
    const bytes = toBinary(LimitsSchema, toLimitsMessage(limits));
    const other: OpenedLimits = { ...assumed, ...ofBounds("max"), exchangeMaxWaitingBatches: 1 };
    expect(fromLimitsMessage(fromBinary(LimitsSchema, bytes), other)).toEqual(limits);
  });

  it("are assumed where the server does not say them", () => {
    const old = { ...assumed, namespacePrefixes: false, contentEncodings: false };
    expect(fromLimitsMessage(create(LimitsSchema), assumed)).toEqual(old);
    const some = create(LimitsSchema, { keyMaxBytes: 7, entryMaxTags: 0 });
    expect(fromLimitsMessage(some, assumed)).toEqual({ ...old, keyMaxBytes: 7, entryMaxTags: 0 });
  });
});

describe("The contract", () => {
  const proto = readFileSync("proto/meshcache/v1/cache.proto", "utf8");
  const message = /^message Limits \{\n(.*?)^\}/ms.exec(proto)?.[1] ?? "";
  const bounds = { ...LIMIT_BOUNDS, ...TRANSPORT_BOUNDS };

  const numbers = LimitsSchema.fields.filter(({ scalar }) => scalar !== ScalarType.BOOL);

  it.each(numbers.map(({ name, localName }) => [name, localName]))(
    "names the range and the default of %s as they are enforced",
    (name, localName) => {
      const [, comment = ""] = new RegExp(`((?: {2}//[^\\n]*\\n)+)[^/\\n]*\\b${name} =`).exec(message) ?? [];
      const text = comment.replaceAll(/\s*\n\s*\/\/\s*/g, " ").replaceAll(",", "");
      const bound = Object.entries(bounds).find(([field]) => field === localName)?.[1];
      expect(text).toContain(`${bound?.min} to ${bound?.max}`);
      expect(text.toLowerCase()).toContain(`default ${bound?.fallback}`);
    },
  );
});
