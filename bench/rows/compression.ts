/** Rows 1z: what zstd saves of 10 KB of JSON, and what encoding and decoding take with it. Shown, without a target. */
import type { Comparison } from "../comparison.ts";
import type { CodecWindow, CompressionLoad } from "../load/compression-load.ts";
import { interleave, ratioRow } from "../pairs.ts";

const loadFile = new URL("../load/compression-load.ts", import.meta.url);
const common = { id: "1z", peerName: "json() alone", better: "lower" } as const;

export const compression: Comparison = {
  name: "compression",
  ids: ["1z"],
  title: "10 KB of JSON by compressed(json()), compared with json() alone",
  needs: [],
  steps: (plan) => 2 + 2 * plan.pairs,
  async run(session) {
    const { plan } = session;
    await using load = session.start<CompressionLoad>("client", loadFile);
    for (const form of ["compressed", "plain"] as const) {
      session.step(`${form}: warm-up`);
      await load.call("window", form, plan.warmUpMs, plan.seed);
    }
    const pairs = await interleave(session, "encoding and decoding", {
      ours: (round) => load.call("window", "compressed", plan.windowMs, plan.seed + round),
      peer: (round) => load.call("window", "plain", plan.windowMs, plan.seed + round),
    });
    const row = (name: string, unit: string, of: (window: CodecWindow) => number) =>
      ratioRow(
        { ...common, name, unit },
        pairs.map(({ ours, peer }) => ({ ours: of(ours), peer: of(peer) })),
      );
    return [
      row("stored bytes of 10 KB of JSON, zstd", "B", ({ bytes }) => bytes),
      row("encoding 10 KB of JSON, zstd", "µs", ({ encodeMicros }) => encodeMicros),
      row("decoding 10 KB of JSON, zstd", "µs", ({ decodeMicros }) => decodeMicros),
    ];
  },
};
