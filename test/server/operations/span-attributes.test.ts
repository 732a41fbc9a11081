/** The span attributes of operations: the outcome, the shard, the size of the value. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  GetResponseSchema,
  IncrementResponseSchema,
  LeaseResponseSchema,
  SetRequestSchema,
  SetResponseSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { outcomeAttributes, requestAttributes } from "../../../src/server/operations/span-attributes.ts";

const asOf = { epoch: 1n, shard: 3, revision: 4n };
const hit = { value: new Uint8Array(5), version: 4n };

describe("outcomeAttributes()", () => {
  it("has the size of a hit's value, and whether it is stale", () => {
    const of = (stale: boolean) =>
      create(GetResponseSchema, { asOf, outcome: { case: "hit", value: { ...hit, stale } } });
    expect(outcomeAttributes({ case: "get", value: of(false) })).toEqual({
      outcome: "hit",
      shard: 3,
      valueBytes: 5,
    });
    expect(outcomeAttributes({ case: "get", value: of(true) })).toMatchObject({ outcome: "stale_hit" });
  });

  it("has the size of the stale value that comes with a lease, if any", () => {
    const granted = { token: 1n, leaseMs: 1n };
    const of = (value: object) =>
      create(LeaseResponseSchema, { asOf, outcome: { case: "granted", value: { ...granted, ...value } } });
    expect(outcomeAttributes({ case: "lease", value: of({ stale: hit }) })).toEqual({
      outcome: "granted",
      shard: 3,
      valueBytes: 5,
    });
    expect(outcomeAttributes({ case: "lease", value: of({}) })).toEqual({ outcome: "granted", shard: 3 });
  });

  it("says whether a Set stored its value", () => {
    const value = create(SetResponseSchema, { asOf, outcome: { case: "notStored", value: {} } });
    expect(outcomeAttributes({ case: "set", value })).toEqual({ outcome: "not_stored", shard: 3 });
  });

  it("says whether an Increment has added, and not what", () => {
    const incremented = { case: "incremented" as const, value: { value: 42n } };
    const value = create(IncrementResponseSchema, { asOf, outcome: incremented });
    expect(outcomeAttributes({ case: "increment", value })).toEqual({ outcome: "incremented", shard: 3 });
    const refused = create(IncrementResponseSchema, { asOf, outcome: { case: "notIncremented", value: {} } });
    expect(outcomeAttributes({ case: "increment", value: refused })).toMatchObject({
      outcome: "not_incremented",
    });
  });
});

describe("requestAttributes()", () => {
  it("has the size of the value of a Set", () => {
    const value = create(SetRequestSchema, { value: new Uint8Array(7) });
    expect(requestAttributes({ case: "set", value })).toEqual({ valueBytes: 7 });
  });

  it("is empty for operations without a value", () => {
    expect(requestAttributes({ case: undefined })).toEqual({});
  });
});
