/**
 * Mutual TLS of the servers and clients of a suite, and a policy that allows it, where the project of vitest.config.ts asks for it.
 * Processes that belong together share the files: the first one makes them and passes their folder on.
 */
import { readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { ClientTlsOptions } from "../../src/index.ts";
import { type Access, PERMISSIONS } from "../../src/security/access/access.ts";
import { AuditLog } from "../../src/security/access/audit-log.ts";
import { readPolicy } from "../../src/security/policy/policy.ts";
import { PolicyInForce } from "../../src/security/policy/policy-access.ts";
import type { SecurityOptions, ServerTlsOptions } from "../../src/server/index.ts";
import { createAuthority, PemFolder } from "./certificates.ts";

/** The principal of a suite, which may do everything. */
const CLIENT = "spiffe://example.org/test";
/** May read and write in the namespaces of the attacks, and nothing else. */
const ATTACKER = "spiffe://example.org/attacker";
/** How much it may use where its quota is asked for: what one service of a mesh could need. */
const ATTACKER_LIMITS = {
  operationsPerSecond: 5_000,
  bytesPerSecond: 16 * 2 ** 20,
  connectionsMax: 64,
  streamsMax: 64,
  heldMaxBytes: 16 * 2 ** 20,
};

interface TestTls {
  readonly folder: string;
  readonly security: SecurityOptions & {
    readonly tls: Required<Pick<ServerTlsOptions, "cert" | "key" | "clientCa">>;
    readonly policy: string;
  };
  readonly client: Required<Omit<ClientTlsOptions, "serverName">>;
}

/** Made once for each process of a suite, or by the process that this one belongs to. */
export const testTls: TestTls | undefined = findTestTls(process.env.MESH_TEST_TLS);

/** What the policy lets the suite's principal do, for sessions without a network. */
export const testAccess: Access | undefined = testTls && accessOf(testTls);

/** For clients of grpc-js. */
export const testCredentials: ChannelCredentials = toCredentials(testTls);

/** For clients of meshcache: `new MeshCache({ address, ...withTestTls })`. */
export const withTestTls: { readonly tls?: ClientTlsOptions } =
  testTls === undefined ? {} : { tls: testTls.client };

/** Of an URL. */
export const testScheme: "http" | "https" = testTls === undefined ? "http" : "https";

/** For `connect` of node:tls and node:http2. */
export const testSecrets: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } =
  testTls === undefined
    ? {}
    : {
        ca: readFileSync(testTls.client.ca),
        cert: readFileSync(testTls.client.cert),
        key: readFileSync(testTls.client.key),
      };

/** For processes that are to use the files of `folder`, as the suite's principal or as an attacker. */
export function environmentOf(
  folder: string | undefined,
  client: "client" | "attacker" = "client",
): Readonly<Record<string, string>> {
  return folder === undefined ? {} : { MESH_TEST_TLS: folder, MESH_TEST_CLIENT: client };
}

export interface ServerConnection {
  readonly socket: Socket;
  /** When it is ready for HTTP/2. */
  readonly readyEvent: "connect" | "secureConnect";
  /** Ends the TCP connection below it with RST. */
  reset(): void;
}

/** A connection to a server of the suite. */
export function connectToServer(port: number): ServerConnection {
  const host = "127.0.0.1";
  const carrier = connect({ port, host, noDelay: true });
  const reset = () => void carrier.resetAndDestroy();
  if (testTls === undefined) return { socket: carrier, readyEvent: "connect", reset };
  // The errors are those of the socket above.
  carrier.on("error", () => {});
  const socket = connectTls({ socket: carrier, host, ...testSecrets, ALPNProtocols: ["h2"] });
  return { socket, readyEvent: "secureConnect", reset };
}

/** What takes connections as a server of the suite does, but asks for no client certificate: for what stands before one. */
export function createPlainOrTlsServer(connected: (socket: Socket) => void): Server {
  if (testTls === undefined) return createServer({ noDelay: true }, connected);
  const { cert, key } = testTls.security.tls;
  const pair = { cert: readFileSync(cert), key: readFileSync(key) };
  return createTlsServer({ ...pair, ALPNProtocols: ["h2"], noDelay: true }, connected).on(
    "tlsClientError",
    () => {},
  );
}

function findTestTls(where: string | undefined): TestTls | undefined {
  if (where === undefined) return undefined;
  if (where !== "on") return filesIn(where);
  const folder = makeTestTls();
  process.once("exit", () => folder[Symbol.dispose]());
  return filesIn(folder.path);
}

/** The files for a server and its clients. */
export function makeTestTls(): PemFolder {
  const folder = new PemFolder();
  const authority = createAuthority();
  folder.write("ca.crt", authority.cert);
  folder.save("server", authority.issue());
  folder.save("client", authority.issue({ names: [`URI:${CLIENT}`] }));
  folder.save("attacker", authority.issue({ names: [`URI:${ATTACKER}`] }));
  const attacked = [{ namespaces: ["a3-*", "a4*", "a5-*", "a6"], may: ["read", "write"] }];
  const limits = process.env.MESH_TEST_QUOTA === "on" ? { limits: ATTACKER_LIMITS } : {};
  folder.write(
    "policy.yaml",
    JSON.stringify({
      principals: [
        { name: "attacker", match: [ATTACKER], allow: attacked, ...limits },
        { name: "test", match: [CLIENT], allow: [{ namespaces: ["*"], may: PERMISSIONS }] },
      ],
    }),
  );
  return folder;
}

function filesIn(folder: string): TestTls {
  const pair = (name: string) => ({ cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) });
  const ca = join(folder, "ca.crt");
  return {
    folder,
    security: { tls: { ...pair("server"), clientCa: ca }, policy: join(folder, "policy.yaml") },
    client: { ...pair(process.env.MESH_TEST_CLIENT ?? "client"), ca },
  };
}

function accessOf({ security }: TestTls): Access {
  const policy = readPolicy("policy", readFileSync(security.policy, "utf8"));
  return new PolicyInForce(policy, new AuditLog()).accessOf(CLIENT);
}

function toCredentials(tls: TestTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const { ca, cert, key } = tls.client;
  return credentials.createSsl(readFileSync(ca), readFileSync(key), readFileSync(cert));
}
