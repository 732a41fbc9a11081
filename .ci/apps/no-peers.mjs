// Without its optional peers PACKAGE says what is missing when, and only when, it is wanted.
import { MeshCache } from "PACKAGE";

const credentials = { compose: () => credentials, _isSecure: () => false };
const cache = new MeshCache({ address: process.argv[2], credentials });
const refused = await cache
  .namespace("users")
  .get("1")
  .catch((error) => error);
if (refused.reason !== "FIELD_INVALID" || !refused.message.includes("@grpc/grpc-js")) throw refused;
await cache.close();
console.log("PACKAGE names the peer that it lacks");
