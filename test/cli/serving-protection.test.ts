import { describe, expect, it } from "vitest";
import { protectionOf } from "../../src/cli/serving/protection.ts";
import { type Settings, settingsSchema } from "../../src/cli/settings/settings.ts";

const of = (address: string, settings: Partial<Settings> = {}) =>
  protectionOf({ ...settingsSchema.parse({}), ...settings }, address);

const CERTIFICATE = { tlsCert: "tls.crt", tlsKey: "tls.key" };

describe("what serve says of its security", () => {
  it("is a summary without a warning on loopback", () => {
    expect(of("127.0.0.1:50051")).toEqual({
      tls: false,
      identities: [],
      policy: false,
      summary: "loopback only, plaintext, anonymous, everybody may do everything",
      warning: undefined,
    });
  });

  it("names TLS, each identity and the policy", () => {
    const all = {
      ...CERTIFICATE,
      tlsClientCa: "ca.crt",
      tokens: "tokens",
      jwtIssuers: "issuers",
      policy: "policy",
    };
    expect(of("0.0.0.0:50051", all)).toEqual({
      tls: true,
      identities: ["client certificates", "tokens", "JSON Web Tokens"],
      policy: true,
      summary: "TLS, identity by client certificates or tokens or JSON Web Tokens, permissions by a policy",
      warning: undefined,
    });
    expect(of("0.0.0.0:1", { ...CERTIFICATE, tokens: "tokens" }).summary).toBe(
      "TLS, identity by tokens, all of them may do everything",
    );
  });

  it.each([
    [{}, /plaintext.*anonymous/],
    [CERTIFICATE, /^whoever reaches the port/],
    [{ tokens: "tokens" }, /^[^,]*\(plaintext\)$/],
  ])("warns beyond loopback of what is missing with %o", (settings, warning) => {
    for (const address of ["0.0.0.0:50051", "[::]:50051", "10.0.0.1:50051"]) {
      expect(of(address, settings).warning).toMatch(warning);
    }
    expect(of("[::1]:50051", settings).warning).toBeUndefined();
  });
});
