/**
 * How long the StatefulSet of a rendered chart gives a pod to end and to start, in seconds: rendered-times.ts MANIFESTS SIZING.
 * Fails when `meshcache sizing` of the settings in the chart says more, or when the volume has no room for two snapshots.
 */
import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";

interface StatefulSet {
  readonly kind: "StatefulSet";
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly [
          { readonly startupProbe: { readonly periodSeconds: number; readonly failureThreshold: number } },
        ];
      };
    };
    readonly volumeClaimTemplates?: readonly [
      { readonly spec: { readonly resources: { readonly requests: { readonly storage: string } } } },
    ];
  };
}

const [manifests = "", sizing = ""] = process.argv.slice(2);
const needed: { stopMaxMs: number; startMaxMs: number; snapshotMaxBytes: number } = JSON.parse(
  readFileSync(sizing, "utf8"),
);
const set = parseAllDocuments(readFileSync(manifests, "utf8"))
  .map((document): { kind?: string } | null => document.toJS())
  .find((document): document is StatefulSet => document?.kind === "StatefulSet");
if (set === undefined) throw new Error(`${manifests} has no StatefulSet`);

const pod = set.spec.template.spec;
const [{ startupProbe }] = pod.containers;
const stopS = pod.terminationGracePeriodSeconds;
const startS = startupProbe.periodSeconds * startupProbe.failureThreshold;
console.log(`${stopS} ${startS}`);

const BYTES: Readonly<Record<string, number>> = { Mi: 2 ** 20, Gi: 2 ** 30 };
const storage = set.spec.volumeClaimTemplates?.[0].spec.resources.requests.storage ?? "0Mi";
const storageBytes = Number.parseInt(storage, 10) * (BYTES[storage.slice(-2)] ?? Number.NaN);
const faults = [
  stopS * 1_000 >= needed.stopMaxMs ? [] : `a stop may take ${needed.stopMaxMs} ms, and has ${stopS} s`,
  startS * 1_000 >= needed.startMaxMs ? [] : `a start may take ${needed.startMaxMs} ms, and has ${startS} s`,
  storageBytes >= 2 * needed.snapshotMaxBytes ? [] : `${storage} have no room for two snapshots`,
].flat();
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
