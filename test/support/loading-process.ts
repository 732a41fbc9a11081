/**
 * A process that loads one key many times at once. Messages tell it what to do. It reports how often its
 * loader ran, and the results.
 */
import { MeshCache, text } from "../../src/index.ts";

export interface LoadOrder {
  readonly key: string;
  readonly calls: number;
  /** How long the source needs. */
  readonly loadMs: number;
  readonly hardTimeoutMs: number;
}

export type LoadNews =
  | { readonly kind: "ready" }
  /** The loader was run. */
  | { readonly kind: "loading" }
  | { readonly kind: "done"; readonly values: string[] };

const [address = "", tls = "{}"] = process.argv.slice(2);
const tell = (news: LoadNews): void => {
  process.send?.(news);
};

const cache = new MeshCache({ address, deadlineMs: 20_000, ...JSON.parse(tls) });
const namespace = cache.namespace("stampede", { codec: text(), ttlMs: 60_000 });
await namespace.get("warm-up");

process.on("message", async ({ key, calls, loadMs, hardTimeoutMs }: LoadOrder) => {
  const load = async (): Promise<string> => {
    tell({ kind: "loading" });
    await new Promise((resolve) => setTimeout(resolve, loadMs));
    return `loaded by ${process.pid}`;
  };
  const values = await Promise.all(
    Array.from({ length: calls }, () => namespace.getOrLoad(key, load, { hardTimeoutMs })),
  );
  tell({ kind: "done", values: values.map(String) });
});
process.on("disconnect", () => process.exit());
tell({ kind: "ready" });
