/** Which authorities prove a client's certificate, by what the client has shown with it, and until when. */
import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ClientAuthorities, ShownChain } from "../../../src/security/identity/shown-chain.ts";
import { type Certificate, createAuthority } from "../../support/certificates.ts";

const DAY_MS = 86_400_000;
const now = () => Date.now();
const read = ({ cert }: Pick<Certificate, "cert">) => new X509Certificate(cert);
const trusting = (...all: readonly Certificate[]) => new ClientAuthorities(all.map(read));
const chainOf = (own: Certificate, ...shown: readonly Certificate[]) =>
  new ShownChain(read(own), shown.map(read));

const root = createAuthority("root");
const other = createAuthority("other");
const upper = root.intermediate();
const lower = upper.intermediate();
const client = lower.issue();

describe("a client's certificate is proven", () => {
  it.each([
    ["by its authority", root.issue(), [], [root]],
    ["through those that the client has shown", client, [lower, upper], [root]],
    [
      "through those, in any order, with the authority among them",
      client,
      [root, upper, other, lower],
      [root],
    ],
    ["through those that the server knows", client, [], [upper, root, lower]],
    ["through those of both", client, [lower], [upper, root]],
    ["by the same authority in another certificate", client, [lower, upper], [root.again()]],
    ["by itself, where the server trusts it", other, [], [other]],
  ])("%s", (_how, own, shown, trusted) => {
    const chain = chainOf(own, ...shown);
    expect(chain.provenUntilMs(trusting(...trusted), now())).toBeGreaterThan(now());
    expect(chain.provenUntilMs(trusting(other, ...trusted), now())).toBeGreaterThan(now());
  });

  const namesake = createAuthority("root");
  it.each([
    ["by others", client, [lower, upper], [other]],
    ["by a certificate that the client has shown beside", client, [lower, upper, root, other], [other]],
    ["by another client of a trusted authority", root.issue(), [other.issue(), other], [other]],
    ["by an authority with the same name and another key", root.issue(), [], [namesake]],
    [
      "through an intermediate with the same name and another key",
      client,
      [upper.intermediate(), upper],
      [root],
    ],
    ["with a gap", client, [upper], [root]],
    ["where only one below the authority is trusted, as in a handshake", client, [lower, upper], [upper]],
    ["by itself, where it is of nobody's trust", other, [other], [root]],
  ])("not %s", (_how, own, shown, trusted) => {
    expect(chainOf(own, ...shown).provenUntilMs(trusting(...trusted), now())).toBeUndefined();
  });

  it("not through a certificate that is no authority's", () => {
    const impostor = root.impostor();
    expect(chainOf(impostor.issue(), impostor).provenUntilMs(trusting(root), now())).toBeUndefined();
  });
});

describe("the time until which it is proven", () => {
  const soon = { untilMs: DAY_MS };
  const untilOf = (one: Certificate) => read(one).validToDate.getTime();

  it("is that of the first certificate of its chain to expire", () => {
    const own = root.issue({ untilMs: 2 * DAY_MS });
    expect(chainOf(own).provenUntilMs(trusting(root), now())).toBe(untilOf(own));
    const between = root.intermediate(soon);
    expect(chainOf(between.issue(), between).provenUntilMs(trusting(root), now())).toBe(untilOf(between));
    expect(chainOf(between.issue()).provenUntilMs(trusting(root, between), now())).toBe(untilOf(between));
    const short = createAuthority("short", soon);
    expect(chainOf(short.issue()).provenUntilMs(trusting(short), now())).toBe(untilOf(short));
  });

  it("is that of the chain that lasts longest", () => {
    const short = root.again(soon);
    const leaf = root.issue({ untilMs: 2 * DAY_MS });
    expect(chainOf(leaf).provenUntilMs(trusting(short, root), now())).toBe(untilOf(leaf));
    const between = upper.again(soon);
    const own = upper.issue({ untilMs: 2 * DAY_MS });
    expect(chainOf(own, between, upper).provenUntilMs(trusting(root), now())).toBe(untilOf(own));
  });

  it("is over when a certificate of the chain has expired, or is not valid yet", () => {
    const own = root.issue();
    const laterMs = now() + 60 * DAY_MS;
    expect(chainOf(own).provenUntilMs(trusting(root), laterMs)).toBeUndefined();
    const future = root.again({ fromMs: DAY_MS });
    expect(chainOf(own).provenUntilMs(trusting(future), now())).toBeUndefined();
  });
});

describe("a chain that the server does not see, which a handshake has verified,", () => {
  it("is proven as long as all authorities of the handshake are there", () => {
    const chain = chainOf(client);
    expect(chain.provenUntilMs(trusting(root), now())).toBeUndefined();
    chain.verifiedWith(trusting(root, other), now());
    expect(chain.provenUntilMs(trusting(root, other), now())).toBe(read(client).validToDate.getTime());
    expect(chain.provenUntilMs(trusting(other, root, createAuthority("new")), now())).toBeDefined();
    expect(chain.provenUntilMs(trusting(other), now())).toBeUndefined();
    expect(chain.provenUntilMs(trusting(root), now())).toBeUndefined();
  });

  it("does not rest on authorities that had expired", () => {
    const chain = chainOf(client);
    chain.verifiedWith(
      trusting(root, createAuthority("old", { fromMs: -2 * DAY_MS, untilMs: -DAY_MS })),
      now(),
    );
    expect(chain.provenUntilMs(trusting(root), now())).toBeDefined();
  });

  it("is looked for in bounded steps, however many certificates are shown", () => {
    // Each of them has issued each other one, as far as names and keys tell.
    const rings = Array.from({ length: 200 }, (_, at) => other.again({ untilMs: (at + 1) * DAY_MS }));
    const chain = chainOf(other.issue(), ...rings);
    expect(chain.provenUntilMs(trusting(root), now())).toBeUndefined();
  });
});
