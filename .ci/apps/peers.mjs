// With an application's own releases of the peers: its spans flow, and its credentials work.

import { json, MeshCache } from "PACKAGE";
import { credentials } from "@grpc/grpc-js";
import { context, ROOT_CONTEXT, trace } from "@opentelemetry/api";

const names = [];
const span = {
  spanContext: () => ({ traceId: "1".repeat(32), spanId: "2".repeat(16), traceFlags: 1 }),
  setAttribute: () => span,
  setStatus: () => span,
  end: () => {},
};
const startSpan = (name) => {
  names.push(name);
  return span;
};
trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan }) });
let active = ROOT_CONTEXT;
context.setGlobalContextManager({
  active: () => active,
  with(entered, body) {
    [active, entered] = [entered, active];
    try {
      return body();
    } finally {
      active = entered;
    }
  },
  bind: (_, target) => target,
  enable: () => {},
  disable: () => {},
});

const cache = new MeshCache({ address: process.argv[2], credentials: credentials.createInsecure() });
const users = cache.namespace("users", { codec: json() });
let inside;
const user = await users.getOrLoad(`user:${process.pid}`, () => {
  inside = trace.getSpan(context.active());
  return { name: "Ada" };
});
if (user?.name !== "Ada") throw new Error(`read ${JSON.stringify(user)}`);
if (inside !== span) throw new Error("the loader runs under no span");
await cache.close();
for (const name of ["meshcache.v1.CacheService/Lease", "meshcache load"]) {
  if (!names.includes(name)) throw new Error(`no span ${name} among: ${names.join(", ")}`);
}
console.log("PACKAGE works with these peers");
