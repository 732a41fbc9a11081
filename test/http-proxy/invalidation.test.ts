/** What removes responses: writes through a proxy, PURGE with the token, and invalidations of the mesh. */
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { bytes } from "../../src/index.ts";
import { numbered, startProxiedOrigin } from "./proxied-origin.ts";

const FRESH = { "cache-control": "max-age=60" };
const PURGE_TOKEN = "sesame";

describe("a write", () => {
  it.each(["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"])(
    "by %s removes its URL in the whole mesh",
    async (method) => {
      await using proxied = await startProxiedOrigin(numbered(FRESH), { count: 2 });
      const { ask } = proxied;
      for (const path of ["/a", "/a?b", "/ab"]) await ask(path, { through: 1 });
      await ask("/a", { method, body: "new", headers: { "content-length": "3" } });
      expect(proxied.requests.at(-1)).toMatchObject({ method, body: "new" });
      await proxied.mesh.cache.sync();
      await expect.poll(async () => (await ask("/a", { through: 1 })).body).toBe("answer 5");
      expect((await ask("/a?b", { through: 1 })).body).toBe("answer 2");
      expect((await ask("/ab", { through: 1 })).body).toBe("answer 3");
    },
  );

  it("removes the URLs of the same origin that its answer names", async () => {
    await using proxied = await startProxiedOrigin(numbered(FRESH));
    const { ask } = proxied;
    for (const path of ["/list", "/item/1", "/other"]) await ask(path);
    proxied.handler = (_request, response) => {
      response.writeHead(201, { location: `${proxied.origin}/item/1`, "content-location": "../list" });
      response.end();
    };
    const written = await ask("/item/new", { method: "POST" });
    expect(written.headers.location).toBe("/item/1");
    proxied.handler = numbered(FRESH);
    expect((await ask("/list")).body).toBe("answer 1");
    expect((await ask("/item/1")).body).toBe("answer 2");
    expect((await ask("/other")).body).toBe("answer 3");
  });

  it.each([
    ["has failed: it may have been done before that", 500, "answer 2"],
    ["has failed behind a gateway", 503, "answer 2"],
    ["was not understood", 501, "answer 1"],
    ["was refused", 404, "answer 1"],
    ["lost a race", 409, "answer 1"],
    ["has no answer: it may have been done", undefined, "answer 2"],
  ])("that %s", async (_name, status, body) => {
    await using proxied = await startProxiedOrigin(numbered(FRESH));
    const { ask, handler } = proxied;
    await ask("/");
    proxied.handler = (_request, response) => {
      if (status === undefined) response.destroy();
      else response.writeHead(status).end();
    };
    expect((await ask("/", { method: "POST" })).status).toBe(status ?? 502);
    proxied.handler = handler;
    expect((await ask("/")).body).toBe(body);
  });

  it("that is not answered in time may have been done", async () => {
    await using proxied = await startProxiedOrigin(numbered(FRESH), { timeoutMs: 1_000 });
    const { ask, handler } = proxied;
    await ask("/");
    proxied.handler = () => {};
    expect((await ask("/", { method: "POST" })).status).toBe(504);
    proxied.handler = handler;
    expect((await ask("/")).body).toBe("answer 2");
  });

  it("removes its URL once it is done, although its client has not waited for that", async () => {
    await using proxied = await startProxiedOrigin(numbered(FRESH));
    const { ask, handler, requests } = proxied;
    await ask("/");
    let answerWrite = () => {};
    proxied.handler = (_request, response) => {
      answerWrite = () => response.end();
    };
    const socket = connect(Number(proxied.proxies[0]?.address.split(":")[1]), "127.0.0.1");
    socket.end("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
    await expect.poll(() => requests.length).toBe(2);
    socket.destroy();
    await expect.poll(() => proxied.proxies[0]?.connections).toBe(0);
    proxied.handler = handler;
    expect((await ask("/")).body).toBe("answer 1");
    answerWrite();
    await expect.poll(async () => (await ask("/")).body).toBe("answer 2");
  });

  it("removes all variants", async () => {
    await using proxied = await startProxiedOrigin(numbered({ ...FRESH, vary: "X-Kind" }));
    const { ask } = proxied;
    const kinds = ["a", "b", "c"].map((kind) => ({ headers: { "x-kind": kind } }));
    for (const kind of kinds) await ask("/", kind);
    await ask("/", { method: "POST" });
    for (const [index, kind] of kinds.entries())
      expect((await ask("/", kind)).body).toBe(`answer ${index + 5}`);
  });

  it("is not done again, and a response that was asked for before it is not stored after it", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using proxied = await startProxiedOrigin(({ method }, response) => {
      if (method === "POST") response.end();
      else
        void held.then(() => {
          response.writeHead(200, FRESH);
          response.end("old");
        });
    });
    const { ask, requests } = proxied;
    const reading = ask("/");
    await expect.poll(() => requests.length).toBe(1);
    await ask("/", { method: "POST" });
    release();
    expect((await reading).body).toBe("old");
    proxied.handler = numbered(FRESH);
    expect((await ask("/")).body).toBe("answer 1");
    expect(requests.filter(({ method }) => method === "POST")).toHaveLength(1);
  });
});

describe("tags of the origin", () => {
  it("are tags of the mesh: an invalidation anywhere reaches each proxy", async () => {
    await using proxied = await startProxiedOrigin(
      ({ url }, response) => {
        response.writeHead(200, {
          ...FRESH,
          "surrogate-key": `item:${url.slice(1)} items`,
          "cache-tag": "all, shop",
        });
        response.end(String(proxied.requests.length));
      },
      { count: 2 },
    );
    const { ask, mesh } = proxied;
    const writer = mesh.connect().namespace("responses", { codec: bytes() });
    const read = () => Promise.all(["/1", "/2"].map(async (path) => (await ask(path, { through: 1 })).body));
    for (const tag of ["item:1", "items", "all", "shop"]) {
      const [one, two] = await read();
      await writer.invalidate({ tags: [tag] });
      await expect.poll(async () => (await read())[0]).not.toBe(one);
      expect((await read())[1] === two).toBe(tag === "item:1");
    }
  });

  it("made stale lead to a request that confirms", async () => {
    await using proxied = await startProxiedOrigin(({ headers }, response) => {
      const isSame = headers["if-none-match"] === '"v1"';
      response.writeHead(isSame ? 304 : 200, { ...FRESH, etag: '"v1"', "cache-tag": "t" });
      response.end(isSame ? undefined : "body");
    });
    const { ask, mesh, requests } = proxied;
    await ask("/");
    await mesh.cache.sync();
    await mesh
      .connect()
      .namespace("responses", { codec: bytes() })
      .invalidate({ tags: ["t"] }, { soft: true });
    await mesh.cache.sync();
    await expect.poll(async () => (await ask("/")).body && requests.length).toBe(2);
    expect(requests[1]?.headers["if-none-match"]).toBe('"v1"');
  });
});

describe("PURGE", () => {
  const authorization = `Bearer ${PURGE_TOKEN}`;

  it("is off without a token, and never reaches the origin", async () => {
    await using proxied = await startProxiedOrigin(numbered(FRESH));
    const { ask } = proxied;
    await ask("/");
    expect((await ask("/", { method: "PURGE", headers: { authorization } })).status).toBe(405);
    expect((await ask("/")).body).toBe("answer 1");
    expect(proxied.requests).toHaveLength(1);
  });

  it("needs the token, and removes a URL, or all with a tag", async () => {
    const options = { purgeToken: PURGE_TOKEN, count: 2 };
    await using proxied = await startProxiedOrigin(numbered({ ...FRESH, "cache-tag": "shop" }), options);
    const { ask } = proxied;
    const purge = (path: string, headers: Record<string, string>) => ask(path, { method: "PURGE", headers });
    await ask("/a");
    await ask("/b");
    for (const wrong of ["", "Bearer", "Bearer open", `Basic ${PURGE_TOKEN}`, `${authorization}x`])
      expect((await purge("/a", { authorization: wrong })).status).toBe(401);
    expect((await ask("/a")).body).toBe("answer 1");
    expect((await purge("/a", { authorization })).status).toBe(200);
    expect((await ask("/a")).body).toBe("answer 3");
    expect((await ask("/b")).body).toBe("answer 2");
    await ask("/b", { through: 1 });
    expect((await purge("/", { authorization, "cache-tag": "shop" })).status).toBe(200);
    await expect.poll(async () => (await ask("/b", { through: 1 })).body).toBe("answer 4");
    expect(proxied.requests.every(({ method }) => method === "GET")).toBe(true);
  });
});
