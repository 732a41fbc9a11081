// As client.mjs, of a CommonJS service.
const { json, MeshCache } = require("PACKAGE");

async function main() {
  const cache = new MeshCache({ address: process.argv[2] });
  const users = cache.namespace("users", { codec: json(), ttlMs: 60_000 });
  await users.set("user:2", { name: "Ada" });
  const found = await users.get("user:2");
  if (found.value?.name !== "Ada") throw new Error(`read ${JSON.stringify(found)}`);
  await cache.close();
  console.log("require(PACKAGE) works");
}

main();
