/** Opened carries this server's limits, on Stream and on Exchange, for the greeting and for each subscription. */
import { afterEach, describe, expect, it } from "vitest";
import { CacheService, type Opened } from "../../../gen/meshcache/v1/cache_pb.ts";
import { resolveLimits } from "../../../src/rpc/limits.ts";
import { toLimitsMessage } from "../../../src/rpc/limits-message.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

const { method } = CacheService;
const limits = { keyMaxBytes: 77, entryMaxTags: 0, leaseWaitMaxMs: 0 };
const transport = { exchangeMaxWaitingBatches: 5 };
const expected = toLimitsMessage({ ...resolveLimits(limits), ...transport });

describe("Opened", () => {
  let running: RunningServer | undefined;
  afterEach(() => running?.stop());

  it("says the limits on Stream", async () => {
    running = await startServer({ limits, transport });
    const stream = running.client.serverStream(method.stream, { namespace: "n" });
    const { promise, resolve } = Promise.withResolvers<Opened>();
    stream.on("data", ({ frame }) => frame.case === "opened" && resolve(frame.value));
    stream.on("error", () => undefined);
    expect((await promise).limits).toMatchObject(expected);
    stream.cancel();
  });

  it("says the limits on Exchange, in answer to Open and to a Subscription", async () => {
    running = await startServer({ limits, transport });
    const stream = running.client.bidi(method.exchange);
    const opened: Opened[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    stream.on("data", ({ frame }) => {
      if (frame.case === "opened" && opened.push(frame.value) === 2) resolve();
    });
    stream.on("error", () => undefined);
    stream.write({
      $typeName: "meshcache.v1.ExchangeRequest",
      id: 1n,
      frame: {
        case: "open",
        value: {
          $typeName: "meshcache.v1.Open",
          clientId: "",
          predecessorToken: 0n,
          library: "",
          libraryVersion: "",
        },
      },
    });
    stream.write({
      $typeName: "meshcache.v1.ExchangeRequest",
      id: 2n,
      frame: {
        case: "subscription",
        value: {
          $typeName: "meshcache.v1.Subscription",
          selectors: [
            { $typeName: "meshcache.v1.Selector", namespace: "n", namespaceIsPrefix: false, prefixes: [] },
          ],
          cursor: new Uint8Array(),
          permittedOnly: false,
        },
      },
    });
    await promise;
    for (const { limits: said } of opened) expect(said).toMatchObject(expected);
    stream.cancel();
  });
});
