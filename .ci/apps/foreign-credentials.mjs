// Credentials of another copy of grpc-js than PACKAGE loads are refused, and the error says why.

import { MeshCache } from "PACKAGE";
import { credentials } from "other-grpc-js";

const cache = new MeshCache({ address: process.argv[2], credentials: credentials.createInsecure() });
const refused = await cache
  .namespace("users")
  .get("1")
  .catch((error) => error);
if (refused.reason !== "FIELD_INVALID" || refused.detail.field !== "credentials") throw refused;
await cache.close();
console.log("PACKAGE refuses credentials of another copy");
