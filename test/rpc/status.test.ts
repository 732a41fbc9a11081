/** Errors as statuses and back: what the other side learns, and what must not leave the process. */
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { CacheError, fieldInvalid, limitExceeded } from "../../src/common/errors.ts";
import { fromServiceError, fromStatus, isFault, toStatus } from "../../src/rpc/status.ts";
import { toServiceError } from "../../src/server/calls/service-error.ts";

const serviceError = (parts: { code: status; details: string; metadata: Metadata }): ServiceError =>
  Object.assign(new Error(parts.details), parts);

describe("a CacheError", () => {
  it.each([
    [fieldInvalid("key", "1 to 512 bytes"), status.INVALID_ARGUMENT],
    [limitExceeded("streams", "16"), status.RESOURCE_EXHAUSTED],
    [new CacheError("DRAINING", "the server is shutting down"), status.UNAVAILABLE],
    [new CacheError("DEADLINE", "too late"), status.DEADLINE_EXCEEDED],
    [new CacheError("CANCELLED", "given up"), status.CANCELLED],
  ])("arrives with its reason, message and detail, in a call and in a result: %s", (error, code) => {
    const sent = toServiceError(error);
    expect(sent.code).toBe(code);
    for (const received of [fromServiceError(serviceError(sent)), fromStatus(toStatus(error))]) {
      expect(received).toMatchObject({
        reason: error.reason,
        message: error.message,
        detail: error.detail,
      });
    }
  });
});

describe("a fault", () => {
  it.each([new TypeError("canary"), "canary", new CacheError("INTERNAL", "canary", { canary: "canary" })])(
    "sends neither its text nor its detail",
    (fault) => {
      expect(isFault(fault)).toBe(true);
      const sent = toServiceError(fault);
      expect(sent).toMatchObject({ code: status.INTERNAL, details: "internal error" });
      expect(JSON.stringify(sent.metadata.getMap())).not.toContain("canary");
      expect(fromServiceError(serviceError(sent)).reason).toBe("INTERNAL");
    },
  );
});

describe("fromServiceError()", () => {
  it("takes a call that ended without a status for a lost connection", () => {
    const details = "Received RST_STREAM with code 0 (Call ended without gRPC status)";
    const cut = serviceError({ code: status.INTERNAL, details, metadata: new Metadata() });
    expect(fromServiceError(cut).reason).toBe("UNAVAILABLE");
  });

  const metadata = (bytes: Uint8Array) => {
    const trailers = new Metadata();
    trailers.set("grpc-status-details-bin", Buffer.from(bytes));
    return trailers;
  };
  const foreign = (domain: string, reason: string) =>
    metadata(
      toBinary(
        StatusSchema,
        create(StatusSchema, {
          code: status.UNAVAILABLE,
          details: [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { domain, reason }))],
        }),
      ),
    );

  it.each([
    ["no details", new Metadata()],
    ["garbage", metadata(Buffer.from([0xff, 0xff]))],
    ["another domain's reason", foreign("elsewhere", "FIELD_INVALID")],
    ["an unknown reason", foreign("meshcache", "NEW_IN_V2")],
    ["a reason of the prototype", foreign("meshcache", "toString")],
  ])("uses the status code when there is %s", (_, trailers) => {
    const error = serviceError({ code: status.UNAVAILABLE, details: "gone", metadata: trailers });
    expect(fromServiceError(error).reason).toBe("UNAVAILABLE");
  });
});
