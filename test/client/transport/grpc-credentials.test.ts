/** Credentials that the client cannot use, and what its caller learns of them. */
import { credentials } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { MeshCache } from "../../../src/index.ts";
import { startServer } from "../../support/running-server.ts";

/** As another copy of grpc-js makes them: alike, and of another class. */
const foreign = { compose: () => foreign, _isSecure: () => false };

it("an operation with credentials of another copy of grpc-js is refused, and the error says so", async () => {
  const running = await startServer();
  const cache = new MeshCache({ address: running.address, credentials: foreign });
  const refused = {
    reason: "FIELD_INVALID",
    detail: { field: "credentials" },
    message: expect.stringContaining("npm ls @grpc/grpc-js"),
  };
  const users = cache.namespace("users");
  await expect(users.get("1")).rejects.toMatchObject(refused);
  await expect(users.getOrLoad("1", () => "loaded")).rejects.toMatchObject(refused);
  await cache.close();
  await running.stop();
});

it("a target that grpc-js refuses is told as a failure to connect", async () => {
  const cache = new MeshCache({ address: "no-scheme://x:y:z", credentials: credentials.createInsecure() });
  await expect(cache.namespace("users").get("1")).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  await cache.close();
});

it.each([[{}], [null], ["insecure"], [7]])("a client refuses %j as credentials", (given) => {
  const options = JSON.parse(JSON.stringify({ address: "127.0.0.1:1", credentials: given }));
  expect(() => new MeshCache(options)).toThrow(
    expect.objectContaining({
      reason: "FIELD_INVALID",
      detail: expect.objectContaining({ field: "credentials" }),
    }),
  );
});

it("a client with credentials that it cannot use, and that nobody uses, ends nothing", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  const cache = new MeshCache({ address: "127.0.0.1:1", credentials: foreign });
  await import("@grpc/grpc-js");
  await new Promise((resolve) => setImmediate(resolve));
  await cache.close();
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});
