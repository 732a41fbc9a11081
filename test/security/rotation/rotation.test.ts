/** Rotation under load, a few rounds of it: `npm run proof:rotation` has 50 in a minute, with 50 clients. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { PemFolder } from "../../support/certificates.ts";
import { startServer } from "../../support/running-server.ts";
import { RotatedFiles } from "./rotated-files.ts";
import { ReplacementLog, Rotation } from "./rotation.ts";

const ROUNDS = 4;

it("fails no permitted call and permits no other while certificates, keys and the policy are replaced", async () => {
  using folder = new PemFolder();
  const files = new RotatedFiles(folder);
  const log = new ReplacementLog();
  const write = (fields: object) => log.take(JSON.stringify(fields));
  const running = await startServer({
    security: { ...files.security, reloadMs: 100 },
    telemetry: createNoTelemetry({ info: write, warn: write, error: write }),
  });
  const rotation = new Rotation(files, {
    address: running.address,
    replaced: (kind, times) => log.replaced(kind, times),
  });
  for (const service of ["orders", "orders", "shop", "shop", "flip"] as const)
    await rotation.work(service, () => turn());
  for (let round = 0; round < ROUNDS; round++) await rotation.round();
  const { faults, answered, denied, streamsMs } = await rotation.stop();
  await running.stop();
  expect(faults).toEqual([]);
  expect(answered).toBeGreaterThan(100);
  // Twice in each round, and what "flip" asked for in every other one.
  expect(denied).toBeGreaterThan(2 * ROUNDS);
  expect(streamsMs).toHaveLength(ROUNDS + ROUNDS / 2);
});
