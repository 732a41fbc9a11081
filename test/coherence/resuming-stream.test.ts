/** The events of a resuming stream must not be lost when its subscription is widened before it is ready. */
import { describe, expect, it } from "vitest";
import { Gap_Reason } from "../../gen/meshcache/v1/cache_pb.ts";
import { json } from "../../src/index.ts";
import { Mesh } from "../support/mesh.ts";
import { createScriptedClient, hit, keyEvent, NAMESPACE } from "../support/scripted-client.ts";
import { EPOCH, type ScriptedLink } from "../support/scripted-server.ts";

/** A client that has cached "k", lost its stream, and opened another namespace before the next stream was ready. */
async function widening() {
  const mesh = createScriptedClient();
  const users = mesh.cache.namespace(NAMESPACE, { codec: json<string>() });
  await mesh.settle();
  const read = users.get("k");
  await mesh.settle();
  mesh.server.link.takeBatch().answer(hit("v1", { revision: 5 }));
  await read;
  mesh.server.autoEpoch = undefined;
  mesh.server.link.reset();
  mesh.clock.advance(100);
  const next = mesh.server.link;
  const events = users.subscribe();
  mesh.cache.namespace("orders");
  await mesh.settle();
  const [open] = next.requests;
  const [resumed, widened] = next.takeSubscriptions();
  if (open === undefined || resumed === undefined || widened === undefined) throw new Error("not widened");
  next.opened(open.id);
  next.opened(resumed.id);
  /** As a real server: all missed events come before the answer to the wider subscription. */
  const finish = (missed: (link: ScriptedLink) => void) => {
    missed(next);
    next.opened(widened.id);
    next.answerAlways();
  };
  return { mesh, users, events, next, finish };
}

describe("A stream that resumes while a namespace is opened", () => {
  it("applies the events that come before it is ready", async () => {
    const { mesh, users, events, next, finish } = await widening();
    finish((link) => {
      link.event(keyEvent("k", { revision: 6 }));
      link.progress();
    });
    expect((await events[Symbol.asyncIterator]().next()).value).toMatchObject({ name: "k", revision: 6 });
    void users.get("k").catch(() => undefined);
    await mesh.settle();
    expect(next.batchesWaiting).toBe(1);
  });

  it("applies the gap that comes before it is ready", async () => {
    const { mesh, users, next, finish } = await widening();
    finish((link) =>
      link.send({
        case: "gap",
        value: { reason: Gap_Reason.CURSOR_EXPIRED, epoch: EPOCH, cursor: link.cursor() },
      }),
    );
    expect(mesh.cache.stats().connection.gaps).toBe(1);
    void users.get("k").catch(() => undefined);
    await mesh.settle();
    expect(next.batchesWaiting).toBe(1);
  });

  it("misses no event of a real server", async () => {
    const mesh = new Mesh();
    const reader = mesh.connect();
    const users = reader.namespace(NAMESPACE, { codec: json<string>() });
    const writer = mesh.connect().namespace(NAMESPACE, { codec: json<string>() });
    await mesh.settle();
    await mesh.run(writer.set("k", "v1"));
    await mesh.run(users.get("k"));
    const [first] = mesh.links;
    first?.reset();
    await mesh.run(writer.set("k", "v2"));
    const { length } = mesh.links;
    while (mesh.links.length === length) mesh.clock.advance(1);
    mesh.link.hold();
    reader.namespace("orders");
    await mesh.settle();
    mesh.link.release();
    await mesh.settle();
    expect(reader.stats().connection).toMatchObject({ streams: 2, gaps: 0 });
    expect(await mesh.run(users.get("k"))).toEqual({ kind: "hit", value: "v2" });
  });
});
