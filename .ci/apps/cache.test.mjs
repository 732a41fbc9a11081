// A test of a service, as jest runs it.
import { json, MeshCache } from "PACKAGE";

test("a service reads what it wrote", async () => {
  const cache = new MeshCache({ address: process.env.ADDRESS });
  const users = cache.namespace("users", { codec: json() });
  await users.set("user:4", { name: "Ada" });
  expect(await users.get("user:4")).toMatchObject({ kind: "hit", value: { name: "Ada" } });
  await cache.close();
});
