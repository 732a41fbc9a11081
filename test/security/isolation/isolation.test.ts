/**
 * Two principals make calls of every kind at the same time. What one of them writes is in nothing that the other one is told, and in
 * nothing that the server tells its operator: spans, metrics, log lines, the audit log, the admin port.
 */
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { PERMISSIONS } from "../../../src/security/access/access.ts";
import { startServerProcess } from "../../fuzz/server-process.ts";
import { PemFolder } from "../../support/certificates.ts";
import { startOtlpReceiver } from "../../support/otlp-receiver.ts";
import { type Canaries, canariesOf, TalkingPrincipal } from "./principal.ts";

const ROUNDS = 2;
const sha256 = (token: string) => createHash("sha256").update(token).digest("hex");

/** The words as text, base64 and hexadecimal digits; the tokens of leases as numbers. */
function needlesOf(words: Canaries, leaseTokens: readonly bigint[]): string[] {
  const forms = Object.values(words).flatMap((word) => [
    word,
    Buffer.from(word).toString("base64").slice(0, -4),
    Buffer.from(word).toString("hex"),
  ]);
  const numbers = leaseTokens.flatMap((token) => [
    token.toString(),
    BigInt.asIntN(64, token).toString(),
    token.toString(16),
  ]);
  return [...forms, sha256(words.token), ...numbers].map((needle) => needle.toLowerCase());
}

const found = (needles: readonly string[], text: string): string[] => {
  const lower = text.toLowerCase();
  return needles.filter((needle) => lower.includes(needle));
};

it.each(["on", "off"])(
  "what one principal writes shows nowhere else, with acceleration %s",
  async (acceleration) => {
    await using undo = new AsyncDisposableStack();
    const folder = undo.use(new PemFolder());
    const receiver = await startOtlpReceiver();
    undo.defer(() => receiver.close());
    const words = { anna: canariesOf("kanarienvogel"), bert: canariesOf("zeisig") };
    const names = ["anna", "bert"] as const;
    const tokens = folder.write(
      "tokens",
      names.map((name) => `${name} ${sha256(words[name].token)}\n`).join(""),
    );
    const principals = names.map((name) => ({
      name,
      match: [`token:${name}`],
      allow: [
        { namespaces: [name], may: PERMISSIONS },
        { namespaces: ["*"], may: ["observe"] },
      ],
    }));
    const policy = folder.write("policy.yaml", JSON.stringify({ principals }));
    const log: string[] = [];
    const server = await startServerProcess(2, {
      flags: ["--tokens", tokens, "--policy", policy, "--acceleration", acceleration, "--log-level", "debug"],
      logged: (line) => void log.push(line),
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.grpcUrl,
        OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
        OTEL_TRACES_SAMPLER: "always_on",
        OTEL_BSP_SCHEDULE_DELAY: "50",
      },
    });
    undo.defer(() => server.stop());
    const connect = (name: (typeof names)[number]) =>
      TalkingPrincipal.connect(
        name,
        words[name],
        `127.0.0.1:${server.port}`,
        folder.write(`${name}.token`, words[name].token),
      );
    const both = [await connect("anna"), await connect("bert")] as const;
    await Promise.all(both.map((one) => one.follow()));
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(both.map((one) => one.work()));
      await Promise.all([both[0].pry(both[1]), both[1].pry(both[0])]);
    }
    await Promise.all([both[0].useClient(both[1]), both[1].useClient(both[0])]);
    const told: string[] = [];
    for (const path of ["/", "/metrics", "/healthz", "/readyz", `/${words.anna.key}`]) {
      const answer = await fetch(`http://127.0.0.1:${server.adminPort}${path}`);
      told.push(
        JSON.stringify([...answer.headers]),
        path.slice(1) === words.anna.key ? "" : await answer.text(),
      );
    }
    await expect.poll(() => receiver.spans.length, { timeout: 20_000 }).toBeGreaterThan(100);
    expect(await server.containedFaults()).toBe(0);
    for (const one of both) await one[Symbol.asyncDispose]();
    await server.stop();

    const [anna, bert] = both.map((one) => needlesOf(one.canaries, one.leaseTokens));
    if (anna === undefined || bert === undefined) throw new Error("nobody has canaries");
    const [toAnna, toBert] = both.map((one) => one.heard.join("\n"));
    // The search finds what is there.
    expect(found(anna, toAnna ?? "")).toEqual(expect.arrayContaining([words.anna.key, words.anna.value]));
    expect(found(bert, toAnna ?? "")).toEqual([]);
    expect(found(anna, toBert ?? "")).toEqual([]);
    const operator = [...told, ...log, receiver.text()].join("\n");
    expect(operator).toContain('"audit":"denied"');
    expect(found([...anna, ...bert], operator)).toEqual([]);
  },
);
