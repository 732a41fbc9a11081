/** Summary of a CPU profile: the functions with the most self time. */
import { readFile } from "node:fs/promises";

const repositoryUrl = new URL("../../", import.meta.url).href;

export interface HotFunction {
  readonly name: string;
  readonly place: string;
  /** Share of the busy time. */
  readonly share: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

export async function summarizeProfile(path: string, count: number): Promise<readonly HotFunction[]> {
  // The runtime has just written it, in the format of the DevTools protocol.
  const profile = JSON.parse(await readFile(path, "utf8")) as CpuProfile;
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const selfMicros = new Map<string, number>();
  let busyMicros = 0;
  profile.samples.forEach((id, at) => {
    const node = nodes.get(id);
    const micros = profile.timeDeltas[at] ?? 0;
    if (node === undefined || node.callFrame.functionName === "(idle)") return;
    busyMicros += micros;
    const { functionName, url, lineNumber } = node.callFrame;
    const label = `${functionName || "(anonymous)"}\t${toPlace(url, lineNumber)}`;
    selfMicros.set(label, (selfMicros.get(label) ?? 0) + micros);
  });
  return [...selfMicros]
    .sort(([, left], [, right]) => right - left)
    .slice(0, count)
    .map(([label, micros]) => {
      const [name = "", place = ""] = label.split("\t");
      return { name, place, share: micros / busyMicros };
    });
}

function toPlace(url: string, lineNumber: number): string {
  if (url === "") return "";
  const inPackage = url.lastIndexOf("/node_modules/");
  const path =
    inPackage < 0 ? url.replace(repositoryUrl, "") : url.slice(inPackage + "/node_modules/".length);
  return `${path}:${lineNumber + 1}`;
}
