/** JSON Web Tokens: what is taken, each hostile kind, and keys that change, come late or do not come. */
import { createHmac, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { credentials, Metadata, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../../src/common/errors.ts";
import { createServiceClient } from "../../src/rpc/client.ts";
import { Authenticator, type CallOrigin } from "../../src/security/identity/authenticator.ts";
import { Principal } from "../../src/security/identity/principal.ts";
import { digestOf } from "../../src/security/identity/static-tokens.ts";
import { readIssuers } from "../../src/security/jwt/issuers.ts";
import { JwtVerifier } from "../../src/security/jwt/jwt-verifier.ts";
import { createVerificationMemory, VerificationBudget } from "../../src/security/jwt/verification-budget.ts";
import { createServerThreads } from "../../src/server/workers/index.ts";
import { PemFolder } from "../support/certificates.ts";
import { eventually } from "../support/eventually.ts";
import { loudBoundary } from "../support/loud-boundary.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { startServer } from "../support/running-server.ts";

const ISSUER = "https://login.example";
const NOW_S = Math.floor(Date.now() / 1_000);
const CLAIMS = { iss: ISSUER, aud: "meshcache", sub: "orders", exp: NOW_S + 300 };

const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const weak = generateKeyPairSync("rsa", { modulusLength: 1_024 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed = generateKeyPairSync("ed25519");
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" });

const jwk = (key: KeyObject, kid?: string, more: object = {}): JsonWebKey => ({
  ...key.export({ format: "jwk" }),
  ...(kid === undefined ? {} : { kid }),
  ...more,
});
const KEYS = [jwk(rsa.publicKey, "r"), jwk(ec.publicKey, "e"), jwk(ed.publicKey, "d")];

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const join = (head: object, claims: object, signer: (text: string) => Buffer) => {
  const text = `${part(head)}.${part(claims)}`;
  return `${text}.${signer(text).toString("base64url")}`;
};
const es = (key: KeyObject) => (text: string) =>
  sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
const rs = (key: KeyObject) => (text: string) => sign("sha256", Buffer.from(text), key);
const token = (claims: object = {}, head: object = {}) =>
  join({ alg: "ES256", kid: "e", ...head }, { ...CLAIMS, ...claims }, es(ec.privateKey));

let undo = new AsyncDisposableStack();
let folder: PemFolder;
beforeEach(() => {
  undo = new AsyncDisposableStack();
  folder = undo.use(new PemFolder());
});
afterEach(() => undo.disposeAsync());

const keyFile = (keys: readonly object[] = KEYS) => folder.write("jwks.json", JSON.stringify({ keys }));
const verifierOf = (jwks: string, shared?: JwtVerifier["keyMemory"]) =>
  new JwtVerifier([{ name: "corp", issuer: ISSUER, audience: "meshcache", jwks }], shared);
const check = (verifier: JwtVerifier, text: string) => {
  const found = verifier.verify(text, digestOf(text));
  return found instanceof Principal ? found.name : found;
};

describe("a token that is taken", () => {
  it.each([
    ["ES256", () => token()],
    ["RS256", () => join({ alg: "RS256", kid: "r" }, CLAIMS, rs(rsa.privateKey))],
    [
      "EdDSA",
      () => join({ alg: "EdDSA", kid: "d" }, CLAIMS, (text) => sign(null, Buffer.from(text), ed.privateKey)),
    ],
    ["no kid, and one key of its algorithm", () => join({ alg: "ES256" }, CLAIMS, es(ec.privateKey))],
    ["several audiences", () => token({ aud: ["other", "meshcache"] })],
    ["an nbf a little ahead", () => token({ nbf: NOW_S + 20 })],
    ["an exp a little behind", () => token({ exp: NOW_S - 20 })],
    ["claims that nobody knows", () => token({ jti: "x", scope: "a b", nested: { a: 1 } })],
    [
      "where a key would be, which is not looked at",
      () => token({}, { jku: "https://evil.example", x5u: "x", jwk: jwk(stranger.publicKey) }),
    ],
  ])("has %s", (_name, make) => {
    expect(check(verifierOf(keyFile()), make())).toBe("jwt:corp:orders");
  });
});

describe("a token that is refused", () => {
  const rsaPem = rsa.publicKey.export({ type: "spki", format: "pem" });
  it.each([
    ["alg none", () => join({ alg: "none", kid: "e" }, CLAIMS, () => Buffer.alloc(0)), "unknown"],
    ["alg none with a signature", () => token({}, { alg: "none" }), "unknown"],
    [
      "HS256 with the RSA key",
      () =>
        join({ alg: "HS256", kid: "r" }, CLAIMS, (text) =>
          createHmac("sha256", rsaPem).update(text).digest(),
        ),
      "unknown",
    ],
    ["RS256 with an EC key", () => token({}, { alg: "RS256" }), "unknown"],
    [
      "RS512",
      () =>
        join({ alg: "RS512", kid: "r" }, CLAIMS, (text) => sign("sha512", Buffer.from(text), rsa.privateKey)),
      "unknown",
    ],
    ["PS256", () => join({ alg: "PS256", kid: "r" }, CLAIMS, rs(rsa.privateKey)), "unknown"],
    ["alg as a list", () => token({}, { alg: ["ES256"] }), "unknown"],
    ["alg in lower case", () => token({}, { alg: "es256" }), "unknown"],
    [
      "the key of a stranger",
      () => join({ alg: "ES256", kid: "e" }, CLAIMS, es(stranger.privateKey)),
      "unknown",
    ],
    [
      "a signature as DER",
      () =>
        join({ alg: "ES256", kid: "e" }, CLAIMS, (text) => sign("sha256", Buffer.from(text), ec.privateKey)),
      "unknown",
    ],
    [
      "other claims than were signed",
      () => `${token().split(".")[0]}.${part({ ...CLAIMS, sub: "admin" })}.${token().split(".")[2]}`,
      "unknown",
    ],
    ["a kid that is a path", () => token({}, { kid: "../../etc/passwd" }), "unknown"],
    ["a kid that is SQL", () => token({}, { kid: "' OR 1=1 --" }), "unknown"],
    ["a kid of 4 KiB", () => token({}, { kid: "k".repeat(4_096) }), "unknown"],
    ["a kid that is no text", () => token({}, { kid: 7 }), "unknown"],
    ["a kid that is __proto__", () => token({}, { kid: "__proto__" }), "unknown"],
    ["a critical extension", () => token({}, { crit: ["b64"], b64: false }), "unknown"],
    ["another issuer", () => token({ iss: "https://evil.example" }), "unknown"],
    ["no issuer", () => token({ iss: undefined }), "unknown"],
    ["an issuer as a list", () => token({ iss: [ISSUER] }), "unknown"],
    ["another audience", () => token({ aud: "other" }), "unknown"],
    ["no audience", () => token({ aud: undefined }), "unknown"],
    ["no exp", () => token({ exp: undefined }), "unknown"],
    ["an exp as text", () => token({ exp: String(NOW_S + 300) }), "unknown"],
    ["an exp in the past", () => token({ exp: NOW_S - 31 }), "expired"],
    ["an nbf in the future", () => token({ nbf: NOW_S + 60 }), "expired"],
    ["no subject", () => token({ sub: undefined }), "unknown"],
    ["an empty subject", () => token({ sub: "" }), "unknown"],
    ["a subject of two lines", () => token({ sub: "a\nb" }), "unknown"],
    ["two parts", () => token().split(".").slice(0, 2).join("."), "unknown"],
    ["four parts", () => `${token()}.x`, "unknown"],
    ["five parts, as encrypted ones", () => `${token()}.x.y`, "unknown"],
    ["no base64url", () => `${token()}=`, "unknown"],
    ["a header that is no object", () => `${part([])}.${part(CLAIMS)}.AA`, "unknown"],
    ["claims that are no JSON", () => `${part({ alg: "ES256" })}.AAAA.AA`, "unknown"],
    ["nothing", () => "..", "unknown"],
  ])("has %s", (_name, make, why) => {
    expect(check(verifierOf(keyFile()), make())).toBe(why);
  });

  it("without a kid where two keys would do", () => {
    const verifier = verifierOf(keyFile([...KEYS, jwk(stranger.publicKey, "s")]));
    expect(check(verifier, join({ alg: "ES256" }, CLAIMS, es(ec.privateKey)))).toBe("unknown");
    expect(check(verifier, token())).toBe("jwt:corp:orders");
  });
});

describe("tokens that are wrongly signed", () => {
  const wrong = (at: number) =>
    join({ alg: "ES256", kid: "e" }, { ...CLAIMS, jti: String(at) }, es(stranger.privateKey));
  const guarded = () => {
    const clock = new ManualClock();
    const memory = createVerificationMemory();
    const issuers = [{ name: "corp", issuer: ISSUER, audience: "meshcache", jwks: keyFile() }];
    const threads = [0, 1].map(
      () => new JwtVerifier(issuers, new Map(), new VerificationBudget(memory, clock)),
    );
    const verify = (thread: number, text: string, connection: CallOrigin) => {
      const found = threads[thread]?.verify(text, digestOf(text), connection);
      if (found instanceof CacheError) return found.detail.limit;
      return found instanceof Principal ? found.name : found;
    };
    return { clock, verify };
  };

  it("are verified ten times on a connection, then once a second, and not seen in between", () => {
    const { clock, verify } = guarded();
    const [hostile, other] = [{ host: "192.0.2.1" }, { host: "192.0.2.1" }];
    const known = token({ jti: "known" });
    expect(verify(0, known, hostile)).toBe("jwt:corp:orders");
    for (let at = 0; at < 10; at += 1) expect(verify(0, wrong(at), hostile)).toBe("unknown");
    expect(verify(0, wrong(10), hostile)).toBe("connection_wrong_tokens_per_second");
    expect(verify(0, token({ jti: "new" }), hostile)).toBe("connection_wrong_tokens_per_second");
    // Those that were verified before are known, and other connections are not held back.
    expect(verify(0, known, hostile)).toBe("jwt:corp:orders");
    expect(verify(0, token({ jti: "new" }), other)).toBe("jwt:corp:orders");
    clock.advance(1_001);
    expect(verify(0, wrong(11), hostile)).toBe("unknown");
    expect(verify(0, wrong(12), hostile)).toBe("connection_wrong_tokens_per_second");
  });

  /** Connections of hosts of their own, or of one. */
  const connectionsOf = (count: number, hostOf: (at: number) => string) =>
    Array.from({ length: count }, (_, at) => ({ host: hostOf(at) }));
  const privateHost = (at: number) => `10.0.${at >> 8}.${at & 255}`;

  it("are bounded over all connections and threads, and right ones are not counted", () => {
    const { clock, verify } = guarded();
    const connections = connectionsOf(300, privateHost);
    for (let at = 0; at < 2_000; at += 1)
      expect(verify(at % 2, token({ jti: `right ${at}` }), { host: privateHost(at) })).toBe(
        "jwt:corp:orders",
      );
    let verified = 0;
    for (let round = 0; round < 3; round += 1)
      for (const [at, connection] of connections.entries())
        if (verify(at % 2, wrong(verified + at), connection) === "unknown") verified += 1;
    // The first one of each, and what is left of all then.
    expect(verified).toBe(500);
    const [first] = connections;
    if (first === undefined) throw new Error("no connection");
    expect(verify(0, wrong(601), first)).toBe("wrong_tokens_per_second");
    clock.advance(10);
    expect(verify(0, wrong(602), first)).toBe("unknown");
  });

  it.each([
    ["one host", () => "192.0.2.1"],
    ["hosts of one IPv6 network", (at: number) => `2001:db8::1:${at}`],
    ["hosts of their own", privateHost],
  ])("on 50 connections of %s keep nobody from being verified who has sent none", (_who, hostOf) => {
    const { verify } = guarded();
    const hostile = connectionsOf(50, hostOf);
    const honest = { host: "198.51.100.7" };
    // Behind a proxy it has the address of the others.
    const beside = { host: hostOf(0) };
    let verified = 0;
    for (let round = 0; round < 11; round += 1) {
      for (const connection of hostile)
        if (verify(0, wrong(verified), connection) === "unknown") verified += 1;
      for (const connection of [honest, beside])
        expect(verify(0, token({ jti: `${round} ${connection.host}` }), connection)).toBe("jwt:corp:orders");
    }
    expect(verified).toBeLessThanOrEqual(500);
  });

  it("of one host hold back its own connections alone", () => {
    const { verify } = guarded();
    const hostile = connectionsOf(50, () => "192.0.2.1");
    const once = { host: "198.51.100.7" };
    expect(verify(0, wrong(0), once)).toBe("unknown");
    const answers = new Set<unknown>();
    for (let round = 0; round < 9; round += 1)
      for (const connection of hostile) answers.add(verify(0, wrong(1), connection));
    expect(answers).toEqual(new Set(["unknown", "host_wrong_tokens_per_second"]));
    expect(verify(0, token({ jti: "x" }), once)).toBe("jwt:corp:orders");
  });
});

/** A token that was verified by keys of a file, which is followed. */
function verifiedToken() {
  const verifier = verifierOf(keyFile());
  const clock = new ManualClock();
  undo.defer(verifier.watch({ clock, boundary: loudBoundary, everyMs: 100, refused: () => {} }));
  const text = token();
  const principal = verifier.verify(text, digestOf(text));
  if (!(principal instanceof Principal)) throw new Error("it was refused");
  return { verifier, clock, text, principal };
}

describe("a set of keys", () => {
  it("keeps no key that is weak, of another curve, symmetric, for encryption or for another algorithm", () => {
    const others = [
      jwk(weak.publicKey, "w"),
      jwk(p384.publicKey, "p"),
      { kty: "oct", k: "c2VjcmV0", kid: "o" },
      jwk(ec.publicKey, "enc", { use: "enc" }),
      jwk(ec.publicKey, "alg", { alg: "ES384" }),
      { kty: "EC", kid: "broken" },
      null,
    ];
    expect(() => verifierOf(keyFile(others as object[]))).toThrow("jwt.jwks");
    const verifier = verifierOf(keyFile([...(others as object[]), ...KEYS]));
    expect(check(verifier, join({ alg: "RS256", kid: "w" }, CLAIMS, rs(weak.privateKey)))).toBe("unknown");
    expect(check(verifier, join({ alg: "ES256", kid: "enc" }, CLAIMS, es(ec.privateKey)))).toBe("unknown");
    expect(check(verifier, token())).toBe("jwt:corp:orders");
  });

  it("in a file that changes revokes the tokens of keys that leave it", async () => {
    const { verifier, clock, text, principal } = verifiedToken();
    const kept = join({ alg: "EdDSA", kid: "d" }, CLAIMS, (signed) =>
      sign(null, Buffer.from(signed), ed.privateKey),
    );
    expect(check(verifier, kept)).toBe("jwt:corp:orders");
    keyFile([jwk(ed.publicKey, "renamed")]);
    await eventually(() => {
      clock.advance(100);
      expect(principal.isValid(Date.now())).toBe(false);
    });
    expect(check(verifier, text)).toBe("unknown");
    expect(check(verifier, kept)).toBe("jwt:corp:orders");
  });

  it("revokes also what is not remembered any more, since others came after it", async () => {
    const { verifier, clock, text, principal } = verifiedToken();
    // Whoever has the key can sign as many as it likes.
    for (let at = 0; at < 10_001; at++) verifier.verify(text, `another digest ${at}`);
    keyFile([jwk(ed.publicKey, "d")]);
    await eventually(() => {
      clock.advance(100);
      expect(check(verifier, text)).toBe("unknown");
    });
    expect(principal.isValid(Date.now())).toBe(false);
  });
});

describe("keys of an URL", () => {
  async function serveKeys(listener: RequestListener) {
    let asked = 0;
    const server = createHttpServer((request, response) => {
      asked += 1;
      listener(request, response);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    undo.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return { url: `http://127.0.0.1:${address.port}/jwks`, asked: () => asked };
  }

  function follow(url: string) {
    const clock = new ManualClock();
    const refusals: unknown[] = [];
    const watched = (verifier: JwtVerifier) => {
      undo.defer(
        verifier.watch({
          clock,
          boundary: loudBoundary,
          everyMs: 100,
          refused: (error) => refusals.push(error),
        }),
      );
      return verifier;
    };
    const verifier = watched(verifierOf(url));
    /** The verifier of another thread. */
    const share = () => watched(verifierOf(url, verifier.keyMemory));
    return { verifier, clock, refusals, share };
  }

  it("are asked for at the start, and again when they are old", async () => {
    let keys: readonly object[] = [jwk(ec.publicKey, "e")];
    const { url, asked } = await serveKeys((_request, response) => response.end(JSON.stringify({ keys })));
    const { verifier, clock } = follow(url);
    expect(check(verifier, token())).toBe("unavailable");
    await eventually(() => expect(check(verifier, token())).toBe("jwt:corp:orders"));
    keys = [jwk(stranger.publicKey, "s")];
    clock.advance(600_000);
    await eventually(() => expect(asked()).toBe(2));
    const next = join({ alg: "ES256", kid: "s" }, CLAIMS, es(stranger.privateKey));
    await eventually(() => expect(check(verifier, next)).toBe("jwt:corp:orders"));
    expect(check(verifier, token())).toBe("unknown");
  });

  it("are asked for once in 30 s, whatever kids tokens name", async () => {
    const { url, asked } = await serveKeys((_request, response) =>
      response.end(JSON.stringify({ keys: KEYS })),
    );
    const { verifier, clock } = follow(url);
    await eventually(() => expect(check(verifier, token())).toBe("jwt:corp:orders"));
    for (let round = 0; round < 2; round++) {
      for (let at = 0; at < 1_000; at++) check(verifier, token({}, { kid: `random${at}` }));
      await eventually(() => expect(check(verifier, token({}, { kid: "x" }))).toBe("unknown"));
      expect(asked()).toBe(1 + round);
      clock.advance(30_000);
    }
  });

  it("asks nobody for the key that a token's header names", async () => {
    const { url, asked } = await serveKeys((_request, response) =>
      response.end(JSON.stringify({ keys: [jwk(stranger.publicKey, "s")] })),
    );
    const verifier = verifierOf(keyFile());
    const own = jwk(stranger.publicKey, "s");
    for (const header of [
      { jku: url, kid: "s" },
      { x5u: url, kid: "s" },
      { jwk: own },
      { jwk: own, kid: "s", jku: url },
      { kid: url },
    ]) {
      const forged = join({ alg: "ES256", ...header }, CLAIMS, es(stranger.privateKey));
      expect(check(verifier, forged), JSON.stringify(header)).toBe("unknown");
    }
    expect(asked()).toBe(0);
  });

  it("are asked for by one of the threads that share them, for all", async () => {
    let keys: readonly object[] = [jwk(ec.publicKey, "e")];
    const { url, asked } = await serveKeys((_request, response) => response.end(JSON.stringify({ keys })));
    const clock = new ManualClock();
    const first = verifierOf(url);
    const others = Array.from({ length: 3 }, () => verifierOf(url, first.keyMemory));
    const all = [first, ...others];
    for (const verifier of all) {
      undo.defer(verifier.watch({ clock, boundary: loudBoundary, everyMs: 100, refused: () => {} }));
    }
    const everyone = (text: string, answer: string) =>
      eventually(() => expect(all.map((verifier) => check(verifier, text))).toEqual(all.map(() => answer)));
    await everyone(token(), "jwt:corp:orders");
    for (const verifier of all) {
      for (let at = 0; at < 100; at++) check(verifier, token({}, { kid: `random${at}` }));
    }
    expect(asked()).toBe(1);
    keys = [jwk(stranger.publicKey, "s")];
    clock.advance(30_000);
    const next = join({ alg: "ES256", kid: "s" }, CLAIMS, es(stranger.privateKey));
    await everyone(next, "jwt:corp:orders");
    expect(asked()).toBe(2);
    clock.advance(100);
    // The former key has left the set, in every thread.
    await everyone(token(), "unknown");
    expect(asked()).toBe(2);
    clock.advance(600_000);
    await eventually(() => expect(asked()).toBe(3));
  });

  it("are asked for once by a server with several workers", async () => {
    const { url, asked } = await serveKeys((_request, response) =>
      response.end(JSON.stringify({ keys: KEYS })),
    );
    const jwtIssuers = folder.write(
      "issuers.yaml",
      JSON.stringify({ issuers: [{ name: "corp", issuer: ISSUER, audience: "meshcache", jwks: url }] }),
    );
    const threads = createServerThreads({ workers: 3, listen: "127.0.0.1:0", security: { jwtIssuers } });
    undo.defer(() => threads.close());
    const address = await threads.start();
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${token()}`);
    // The system spreads connections over the workers.
    const calls = Array.from({ length: 24 }, async () => {
      const client = createServiceClient(address, credentials.createInsecure(), {
        "grpc.use_local_subchannel_pool": 1,
      });
      undo.defer(() => client.close());
      const get = () =>
        client.unary(
          CacheService.method.get,
          { namespace: "orders", key: "k" },
          { metadata, timeoutMs: 5_000 },
        );
      await eventually(get);
    });
    await Promise.all(calls);
    expect(asked()).toBe(1);
  });

  it("stay in use while the URL does not answer as it should", async () => {
    let answer: RequestListener = (_request, response) => response.end(JSON.stringify({ keys: KEYS }));
    const { url, asked } = await serveKeys((request, response) => answer(request, response));
    const { verifier, clock, refusals, share } = follow(url);
    await eventually(() => expect(check(verifier, token())).toBe("jwt:corp:orders"));
    const threads = [verifier, share()];
    const faults: RequestListener[] = [
      (_request, response) => response.writeHead(500).end(),
      (_request, response) => response.end("no JSON"),
      (_request, response) => response.end(JSON.stringify({ keys: [] })),
      (_request, response) => response.end(Buffer.alloc(2 << 20, "a")),
      (_request, response) => response.writeHead(302, { location: url }).end(),
      (request) => request.socket.destroy(),
    ];
    clock.advance(600_000);
    for (const fault of faults) {
      answer = fault;
      const before = asked();
      // Until the last request has failed, none is made.
      await eventually(() => {
        clock.advance(30_000);
        expect(asked()).toBeGreaterThan(before);
      });
      expect(check(verifier, token({ jti: String(before) }))).toBe("jwt:corp:orders");
      // It may be a new key, which nobody can know of.
      const unknown = token({}, { kid: "x" });
      await eventually(() => expect(verifier.filesRefused).toBe(true));
      expect(threads.map((thread) => check(thread, unknown))).toEqual(["unavailable", "unavailable"]);
    }
    await eventually(() => expect(verifier.filesRefused).toBe(true));
    expect(refusals.length).toBeGreaterThanOrEqual(1);
  });

  it("are not trusted any more when the URL has not answered for an hour, until it does", async () => {
    let isDown = false;
    const { url, asked } = await serveKeys((_request, response) =>
      isDown ? response.writeHead(500).end() : response.end(JSON.stringify({ keys: KEYS })),
    );
    const { verifier, clock, share } = follow(url);
    const threads = [verifier, share()];
    const all = (answer: string) => threads.map(() => answer);
    const answers = (text = token()) => threads.map((thread) => check(thread, text));
    await eventually(() => expect(answers()).toEqual(all("jwt:corp:orders")));
    const open = verifier.verify(token({ sub: "open" }), "digest of an open stream");
    if (!(open instanceof Principal)) throw new Error("the token was refused");
    isDown = true;
    clock.advance(3_599_000);
    expect(answers()).toEqual(all("jwt:corp:orders"));
    expect(open.isValid(Date.now())).toBe(true);
    clock.advance(1_000);
    expect(answers()).toEqual(all("unavailable"));
    const authenticator = new Authenticator(undefined, verifier);
    expect(authenticator.expiryOf(open, undefined)).toMatchObject({ reason: "UNAVAILABLE" });
    isDown = false;
    const before = asked();
    await eventually(() => {
      clock.advance(30_000);
      expect(asked()).toBeGreaterThan(before);
    });
    await eventually(() => {
      clock.advance(100);
      expect(answers()).toEqual(all("jwt:corp:orders"));
    });
  });

  it("grow old while the host is suspended too", async () => {
    const { url } = await serveKeys((_request, response) => response.end(JSON.stringify({ keys: KEYS })));
    const { verifier, clock } = follow(url);
    await eventually(() => expect(check(verifier, token())).toBe("jwt:corp:orders"));
    // The monotonic clock stands still.
    clock.setWall(clock.wallMs() + 3_600_000);
    clock.advance(100);
    expect(check(verifier, token())).toBe("unavailable");
  });
});

describe("the file of issuers", () => {
  const entry = (more = "") =>
    `  - name: corp\n    issuer: ${ISSUER}\n    audience: meshcache\n    jwks: /a\n${more}`;

  it("is refused with all its faults and their lines", () => {
    const yaml = `issuers:\n  - name: "a b"\n    issuer: ""\n    audience: x\n    jwks: http://evil.example/jwks\n    extra: 1\n  - 7\n`;
    let message = "";
    try {
      readIssuers("issuers", yaml);
    } catch (error) {
      message = String(error);
    }
    for (const line of [
      "line 2 issuers.0",
      "line 3 issuers.0.issuer",
      "line 5 issuers.0.jwks",
      "line 7 issuers.1",
    ]) {
      expect(message).toContain(line);
    }
    expect(message).not.toContain("evil");
    expect(() => readIssuers("issuers", "issuers: [")).toThrow("line 1");
    expect(() => readIssuers("issuers", "")).toThrow();
    expect(() => readIssuers("issuers", `issuers:\n${entry()}${entry()}    extra: 1\n`)).toThrow(
      /line 6: has the name of line 2; line 6: has the issuer of line 2; line \d+ issuers\.1: /,
    );
  });

  it("takes https everywhere, http on loopback alone, and paths", () => {
    const withJwks = (jwks: string) => () =>
      readIssuers("issuers", `issuers:\n${entry().replace("/a", jwks)}`);
    for (const jwks of [
      "https://a.example/x",
      "http://127.0.0.1:1/x",
      "http://[::1]/x",
      "keys.json",
      "/a/b",
    ]) {
      expect(withJwks(jwks)).not.toThrow();
    }
    for (const jwks of [
      "http://a.example/x",
      "file:///etc/passwd",
      "ftp://a",
      "http://127.0.0.1.evil.example/",
    ]) {
      expect(withJwks(jwks), jwks).toThrow();
    }
  });
});

describe("a server with issuers", () => {
  it("lets calls with a token in, ends streams with their token, and refuses others", async () => {
    const jwtIssuers = folder.write(
      "issuers.yaml",
      `issuers:\n  - name: corp\n    issuer: ${ISSUER}\n    audience: meshcache\n    jwks: ${keyFile()}\n`,
    );
    const running = await startServer({ security: { jwtIssuers } });
    undo.defer(() => running.stop());
    const client = createServiceClient(running.address, credentials.createInsecure());
    undo.defer(() => client.close());
    const get = (text: string) => {
      const metadata = new Metadata();
      metadata.set("authorization", `Bearer ${text}`);
      return { metadata };
    };
    const good = token();
    await client.unary(CacheService.method.get, { namespace: "users", key: "k" }, get(good));
    const bad = client.unary(
      CacheService.method.get,
      { namespace: "users", key: "k" },
      get(token({ aud: "x" })),
    );
    await expect(bad).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
    const short = token({ exp: Date.now() / 1_000 - 29 });
    const stream = client.serverStream(CacheService.method.stream, { namespace: "users" }, get(short));
    stream.on("data", () => {});
    const [error] = await once(stream, "error").catch((thrown) => [thrown]);
    expect(error).toMatchObject({ code: status.UNAUTHENTICATED });
    const forged = join({ alg: "ES256", kid: "e" }, CLAIMS, es(stranger.privateKey));
    const reasons = await Promise.all(
      Array.from({ length: 30 }, () =>
        client
          .unary(CacheService.method.get, { namespace: "users", key: "k" }, get(forged))
          .catch(({ reason }) => String(reason)),
      ),
    );
    expect(new Set(reasons)).toEqual(new Set(["UNAUTHENTICATED", "LIMIT_EXCEEDED"]));
    await client.unary(CacheService.method.get, { namespace: "users", key: "k" }, get(good));
  });
});
