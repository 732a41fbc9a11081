/** The definitions of services, and what their codecs accept and refuse. */
import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import { CacheService, GetRequestSchema, GetResponseSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { createServiceDefinition, decodeMessage, encodeFrame } from "../../src/codec/messages.ts";

describe("createServiceDefinition()", () => {
  const definition = createServiceDefinition(CacheService);

  it("names every method with its path and kind", () => {
    const shapes = Object.entries(definition).map(([name, { path, requestStream, responseStream }]) => [
      name,
      path,
      `${requestStream ? "stream" : "one"} to ${responseStream ? "stream" : "one"}`,
    ]);
    expect(shapes).toEqual([
      ["get", "/meshcache.v1.CacheService/Get", "one to one"],
      ["set", "/meshcache.v1.CacheService/Set", "one to one"],
      ["invalidate", "/meshcache.v1.CacheService/Invalidate", "one to one"],
      ["touch", "/meshcache.v1.CacheService/Touch", "one to one"],
      ["increment", "/meshcache.v1.CacheService/Increment", "one to one"],
      ["lease", "/meshcache.v1.CacheService/Lease", "one to one"],
      ["listKeys", "/meshcache.v1.CacheService/ListKeys", "one to one"],
      ["batch", "/meshcache.v1.CacheService/Batch", "one to one"],
      ["stream", "/meshcache.v1.CacheService/Stream", "one to stream"],
      ["exchange", "/meshcache.v1.CacheService/Exchange", "stream to stream"],
    ]);
    expect(Object.keys(createServiceDefinition(AdminService))).toEqual([
      "stats",
      "activity",
      "listClients",
      "inspectEntry",
      "describeServer",
      "history",
      "describeCaller",
    ]);
  });

  it("carries messages both ways, and frames as they are", () => {
    const { get } = definition;
    const request = create(GetRequestSchema, { namespace: "n", key: "k" });
    expect(get?.requestDeserialize(get.requestSerialize(request))).toEqual(request);
    const response = create(GetResponseSchema, { outcome: { case: "miss", value: {} } });
    const bytes = get?.responseSerialize(response);
    expect(bytes && get?.responseDeserialize(bytes)).toEqual(response);
    expect(get?.responseSerialize(encodeFrame(GetResponseSchema, response))).toEqual(bytes);
  });
});

describe("decodeMessage()", () => {
  it.each([
    ["half a character", [0x12, 0x01, 0xe2]],
    ["an overlong slash", [0x12, 0x02, 0xc0, 0xaf]],
    ["a surrogate", [0x12, 0x03, 0xed, 0xa0, 0x80]],
    ["an end in the middle", [0x12, 0x05, 0x61]],
  ])("refuses text with %s", (_, bytes) => {
    expect(() => decodeMessage(GetRequestSchema, Uint8Array.from(bytes))).toThrow();
  });

  it("skips fields that it does not know", () => {
    const bytes = Buffer.concat([
      toBinary(GetRequestSchema, create(GetRequestSchema, { key: "k" })),
      Buffer.from([0xfa, 0x06, 0x01, 0x00]),
    ]);
    const message = decodeMessage(GetRequestSchema, bytes);
    expect(message.key).toBe("k");
    expect(message.$unknown).toBeUndefined();
  });
});
