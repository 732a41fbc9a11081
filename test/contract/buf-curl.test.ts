/** The service contract once more, with `buf curl` as the client and the schema from reflection. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { createBufCalls, listMethods } from "./buf-calls.ts";
import { describeService } from "./service-contract.ts";

let running: RunningServer;

beforeAll(async () => {
  running = await startServer();
});
afterAll(() => running.stop());

describeService("buf curl", () => createBufCalls(() => running.address));

describe("reflection", () => {
  it("names every method of every service", async () => {
    expect(await listMethods(running.address)).toEqual([
      "grpc.health.v1.Health/Check",
      "grpc.health.v1.Health/List",
      "grpc.health.v1.Health/Watch",
      "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      "meshcache.v1.AdminService/Activity",
      "meshcache.v1.AdminService/DescribeCaller",
      "meshcache.v1.AdminService/DescribeServer",
      "meshcache.v1.AdminService/History",
      "meshcache.v1.AdminService/InspectEntry",
      "meshcache.v1.AdminService/ListClients",
      "meshcache.v1.AdminService/Stats",
      "meshcache.v1.CacheService/Batch",
      "meshcache.v1.CacheService/Exchange",
      "meshcache.v1.CacheService/Get",
      "meshcache.v1.CacheService/Increment",
      "meshcache.v1.CacheService/Invalidate",
      "meshcache.v1.CacheService/Lease",
      "meshcache.v1.CacheService/ListKeys",
      "meshcache.v1.CacheService/Set",
      "meshcache.v1.CacheService/Stream",
      "meshcache.v1.CacheService/Touch",
    ]);
  });
});
