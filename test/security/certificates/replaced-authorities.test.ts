/** Which connections go on when the authorities of client certificates are replaced, on each port that asks for certificates. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { createBoundary } from "../../../src/common/boundary.ts";
import { systemClock } from "../../../src/common/clock.ts";
import { openSecurity } from "../../../src/security/security.ts";
import type { ServerTlsOptions } from "../../../src/security/tls/server-tls.ts";
import { startAdminHttp } from "../../../src/server/admin-http.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import type { Logger } from "../../../src/telemetry/telemetry.ts";
import { type Certificate, createAuthority } from "../../support/certificates.ts";
import { eventually } from "../../support/eventually.ts";
import { usePemTest } from "../../support/pem-test.ts";
import { startServer } from "../../support/running-server.ts";

const RELOAD_MS = 100;
const CLIENT = { names: ["URI:spiffe://example.org/orders"] };
/** What each port speaks, and the first bytes of a client, which it answers. */
const PORTS = {
  gRPC: { protocol: "h2", hello: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0" },
  HTTP: { protocol: "http/1.1", hello: "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n" },
  admin: { protocol: "http/1.1", hello: "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n" },
} as const;
type PortName = keyof typeof PORTS;

const pem = usePemTest();

interface Ports {
  readonly ports: Readonly<Record<PortName, number>>;
  /** Resolves when all ports use them. */
  trust(...authorities: readonly Certificate[]): Promise<void>;
}

async function start(...trusted: readonly Certificate[]): Promise<Ports> {
  const write = (all: readonly Certificate[]) =>
    pem.folder.write("clients.crt", all.map(({ cert }) => cert).join(""));
  let replacements = 0;
  const info = (_fields: object, message: string) => {
    if (message.includes("certificate was replaced")) replacements += 1;
  };
  const tls = {
    ...pem.folder.save("server", pem.authority.issue()),
    clientCa: write(trusted),
    minVersion: "TLSv1.2" as const,
  };
  const running = await startServer({
    security: { tls, reloadMs: RELOAD_MS },
    http: { listen: "127.0.0.1:0" },
    telemetry: createNoTelemetry({ info, warn: () => {}, error: () => {} }),
  });
  pem.undo.defer(() => running.stop());
  const admin = await startAdmin(tls, info);
  const portOf = (address = "") => Number(address.slice(address.lastIndexOf(":") + 1));
  return {
    ports: { gRPC: running.port, HTTP: portOf(running.server.httpAddress), admin },
    async trust(...authorities) {
      const before = replacements;
      write(authorities);
      await eventually(() => expect(replacements).toBe(before + 2));
    },
  };
}

/** As a server process has it. Returns its port. */
async function startAdmin(tls: ServerTlsOptions, info: Logger["info"]): Promise<number> {
  const logger = { info, warn: () => {}, error: () => {} };
  const security = openSecurity({ tls, reloadMs: RELOAD_MS }, "127.0.0.1");
  const admin = await startAdminHttp({
    host: "127.0.0.1",
    port: 0,
    hosts: "",
    connectionsMax: 64,
    metricsText: async () => "",
    ready: () => true,
    logger,
    tls: security.tls?.value,
  });
  pem.undo.defer(() => admin.close());
  const target = { replaceTls: admin.replaceTls, checkStreams: () => {} };
  pem.undo.defer(security.watch({ clock: systemClock, boundary: createBoundary(() => {}), logger }, target));
  return admin.port;
}

interface Client extends Certificate {
  /** Default: what the port speaks. */
  readonly protocols?: readonly string[];
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  pem.undo.defer(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** A client of a port whose handshake begins on this connection. */
class Peer {
  readonly #socket: TLSSocket;
  readonly #hello: string;
  readonly #closed: Promise<boolean>;

  constructor(name: PortName, socket: Socket, { cert, key, protocols }: Client) {
    const { protocol, hello } = PORTS[name];
    const ALPNProtocols = [...(protocols ?? [protocol])];
    this.#socket = connectTls({
      socket,
      cert,
      key,
      ca: pem.authority.cert,
      host: "localhost",
      ALPNProtocols,
    });
    this.#hello = hello;
    this.#closed = new Promise((resolve) => this.#socket.once("close", () => resolve(false)));
    this.#socket.on("error", () => {});
    this.#socket.resume();
  }

  /** False: the port has closed the connection, or answers that it wants a certificate. */
  isServed(): Promise<boolean> {
    const answered = new Promise<boolean>((resolve) =>
      this.#socket.once("data", (bytes: Buffer) => resolve(!bytes.includes("HTTP/1.1 401"))),
    );
    if (!this.#socket.destroyed) this.#socket.write(this.#hello);
    return Promise.race([answered, this.#closed]);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  closed(): Promise<boolean> {
    return this.#closed;
  }
}

const together = ({ key, cert }: Certificate, ...shown: readonly Certificate[]): Certificate => ({
  key,
  cert: cert + shown.map((one) => one.cert).join(""),
});

describe.each(["gRPC", "HTTP", "admin"] as const)("when authorities are replaced, the %s port", (name) => {
  const connectTo = async ({ ports }: Ports, client: Client) =>
    new Peer(name, await connected(ports[name]), client);

  it("keeps clients behind intermediates, and ends them when their root goes", async () => {
    const [other, next] = [createAuthority("other"), createAuthority("next")];
    const upper = pem.authority.intermediate();
    const lower = upper.intermediate();
    const server = await start(pem.authority, other, lower, upper);
    const shown = createAuthority("shown");
    await server.trust(pem.authority, other, lower, upper, shown);
    const between = shown.intermediate();
    const clients = {
      plain: await connectTo(server, pem.authority.issue(CLIENT)),
      bundled: await connectTo(server, lower.issue(CLIENT)),
      shown: await connectTo(server, together(between.issue(CLIENT), between)),
    };
    const stays = await connectTo(server, other.issue(CLIENT));
    for (const one of [...Object.values(clients), stays]) expect(await one.isServed()).toBe(true);

    await server.trust(pem.authority, other, lower, upper, shown, next);
    for (const one of Object.values(clients)) expect(one.isOpen).toBe(true);
    await server.trust(pem.authority, shown, lower, upper, next);
    await stays.closed();
    for (const one of Object.values(clients)) expect(one.isOpen).toBe(true);
    await server.trust(shown, lower, upper, next);
    await Promise.all([clients.plain.closed(), clients.bundled.closed()]);
    expect(clients.shown.isOpen).toBe(true);
    await server.trust(next);
    await clients.shown.closed();
  });

  it("ends a client that shows a certificate of a trusted authority beside its own", async () => {
    const other = createAuthority("other");
    const server = await start(pem.authority, other);
    const client = await connectTo(server, together(pem.authority.issue(CLIENT), other));
    expect(await client.isServed()).toBe(true);
    await server.trust(other);
    await client.closed();
  });

  it("judges a handshake by the authorities at its end", async () => {
    const [other, next] = [createAuthority("other"), createAuthority("next")];
    const server = await start(pem.authority, other);
    const between = other.intermediate();
    const begin = async (client: Certificate) => {
      const socket = await connected(server.ports[name]);
      return () => new Peer(name, socket, client);
    };
    const goOn = {
      removed: await begin(pem.authority.issue(CLIENT)),
      removedBeside: await begin(together(pem.authority.issue(CLIENT), other)),
      kept: await begin(other.issue(CLIENT)),
      keptBehind: await begin(together(between.issue(CLIENT), between)),
    };
    // So that the server has accepted all of them.
    expect(await (await connectTo(server, pem.authority.issue(CLIENT))).isServed()).toBe(true);
    await server.trust(other, next);
    expect(await goOn.removed().isServed()).toBe(false);
    expect(await goOn.removedBeside().isServed()).toBe(false);
    expect(await goOn.kept().isServed()).toBe(true);
    expect(await goOn.keptBehind().isServed()).toBe(true);
  });
});

describe.each(["gRPC", "HTTP", "admin"] as const)("the %s port", (name) => {
  it.each(["TLSv1.3", "TLSv1.2"] as const)("resumes no session of %s", async (maxVersion) => {
    const server = await start(pem.authority);
    const { cert, key } = pem.authority.issue(CLIENT);
    const options = {
      port: server.ports[name],
      host: "127.0.0.1",
      servername: "localhost",
      cert,
      key,
      ca: pem.authority.cert,
      ALPNProtocols: [PORTS[name].protocol],
      maxVersion,
    };
    const first = connectTls(options);
    pem.undo.defer(() => void first.destroy());
    const [session] = await once(first, "session");
    const second = connectTls({ ...options, session });
    pem.undo.defer(() => void second.destroy());
    await once(second, "secureConnect");
    expect([second.getProtocol(), second.isSessionReused()]).toEqual([maxVersion, false]);
  });
});

describe("the admin port", () => {
  it("answers nothing to a client whose certificate has expired", async () => {
    const server = await start(pem.authority);
    const client = pem.authority.issue({ ...CLIENT, untilMs: 2_500 });
    const peer = new Peer("admin", await connected(server.ports.admin), client);
    expect(await peer.isServed()).toBe(true);
    await eventually(async () => expect(await peer.isServed()).toBe(false));
  });
});

describe("a client that names no protocol", () => {
  // Of such a client some versions of Node do not show what is behind its certificate.
  it("behind an intermediate stays while no authority goes", async () => {
    const [other, next] = [createAuthority("other"), createAuthority("next")];
    const server = await start(pem.authority, other);
    const between = pem.authority.intermediate();
    const client = { ...together(between.issue(CLIENT), between), protocols: [] };
    const peer = new Peer("HTTP", await connected(server.ports.HTTP), client);
    expect(await peer.isServed()).toBe(true);
    await server.trust(pem.authority, other, next);
    expect(peer.isOpen).toBe(true);
    await server.trust(other, next);
    await peer.closed();
  });
});
