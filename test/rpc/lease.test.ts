/** Lease requests as commands of the store. */
import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { LeaseRequestSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { fromLeaseRequest } from "../../src/rpc/lease.ts";
import { resolveLimits } from "../../src/rpc/limits.ts";

it("holds a lease for the server's default time when the request names none", () => {
  const limits = resolveLimits({ leaseDefaultMs: 4_321 });
  const leaseMsOf = (leaseMs: number) =>
    fromLeaseRequest(create(LeaseRequestSchema, { namespace: "n", key: "k", leaseMs }), limits).leaseMs;
  expect([leaseMsOf(0), leaseMsOf(1)]).toEqual([4_321, 1]);
});
