/**
 * The program that the runner of the Connect conformance tests starts: the service of the tests behind the HTTP listener, the
 * gateway, its interceptors and the register of calls of this server. The runner says on stdin what to serve, and is told
 * on stdout where. PROTO_SET is the file of the descriptors of the tests.
 */
import { readFileSync, writeSync } from "node:fs";
import { createFileRegistry, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { z } from "zod";
import { BrowserRules } from "../../src/gateway/browser-rules.ts";
import { answerText, HttpGateway } from "../../src/gateway/gateway.ts";
import { RpcGateway } from "../../src/gateway/rpc-gateway.ts";
import { openSecurity } from "../../src/security/security.ts";
import type { ServerTls } from "../../src/security/tls/server-tls.ts";
import { peerOf } from "../../src/server/connections/certified-peers.ts";
import { Http1Listener } from "../../src/server/connections/http1-listener.ts";
import { createProcessBounds } from "../../src/server/limits/quotas.ts";
import { resolveTransportLimits } from "../../src/server/limits/transport-limits.ts";
import { createServiceHost } from "../../src/server/service-host.ts";
import { ConformanceService } from "./conformance-service.ts";

const HOST = "127.0.0.1";
const bytes = z.string().transform((base64) => Buffer.from(base64, "base64"));
const askedSchema = z.object({
  useTls: z.boolean().default(false),
  messageReceiveLimit: z.number().optional(),
  serverCreds: z.object({ cert: bytes, key: bytes }).optional(),
});

const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, readFileSync(process.env.PROTO_SET ?? "")),
);
const messageOf = (name: string) => {
  const found = registry.getMessage(`connectrpc.conformance.v1.${name}`);
  if (found === undefined) throw new Error(`no message ${name}`);
  return found;
};

/** A length of four bytes, and a message. The runner leaves stdin open. */
async function readAsked() {
  const schema = messageOf("ServerCompatRequest");
  let input = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    input = Buffer.concat([input, chunk]);
    if (input.length < 4 || input.length < 4 + input.readUInt32BE(0)) continue;
    return askedSchema.parse(
      toJson(schema, fromBinary(schema, input.subarray(4, 4 + input.readUInt32BE(0)))),
    );
  }
  throw new Error("the runner has said nothing");
}

async function serve(): Promise<void> {
  const { useTls, messageReceiveLimit, serverCreds } = await readAsked();
  const transport = resolveTransportLimits();
  const security = openSecurity({}, HOST);
  const host = createServiceHost(
    {},
    transport,
    { bounds: createProcessBounds(transport), startedMs: 0, worker: 0, workers: 1 },
    security,
  );
  const { boundary, clock, calls, telemetry } = host;
  const limits = { ...host.limits, receiveMaxBytes: messageReceiveLimit || host.limits.receiveMaxBytes };
  const tls: ServerTls | undefined =
    useTls && serverCreds !== undefined
      ? {
          options: { cert: serverCreds.cert, key: serverCreds.key, minVersion: "TLSv1.2" },
          asksClients: false,
          clientAuthorities: [],
          expiresAtMs: Number.POSITIVE_INFINITY,
        }
      : undefined;
  const listener = new Http1Listener({
    limits: transport,
    clock,
    boundary,
    tls,
    quota: createProcessBounds(transport).connections,
    sharesPort: false,
    turns: calls.register,
    serve: (request, response) => {
      if (!gateway.serve(request, response)) answerText(response, 404, "not found\n");
    },
  });
  const service = new ConformanceService(registry);
  const rpc = new RpcGateway({
    routes: (router) => service.addTo(router),
    register: calls.register,
    telemetry,
    boundary,
    limits,
    anyTypes: registry,
    callMaxMs: transport.callMaxMs,
    readOnly: false,
    peerOf,
  });
  const gateway = new HttpGateway(new BrowserRules([]), [rpc]);
  const port = await listener.listen(HOST, 0);
  const responseSchema = messageOf("ServerCompatResponse");
  const pemCert = serverCreds === undefined ? {} : { pemCert: serverCreds.cert.toString("base64") };
  const response = toBinary(responseSchema, fromJson(responseSchema, { host: HOST, port, ...pemCert }));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(response.length);
  writeSync(1, Buffer.concat([head, response]));
}

void serve();
