/** Reads the imports of TypeScript files, and finds those that a table of rooms does not allow. */
import { readdirSync, readFileSync } from "node:fs";
import { join, normalize, relative } from "node:path";

export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly file: string;
  /** The folder that the file is in, below `src/`; of a file at the top of `src/` its name. */
  readonly room: string;
  /** The room of the imported file, if it is one of this repository. */
  readonly target: string | undefined;
  /** The imported file, if it is one of this repository. */
  readonly targetFile: string | undefined;
  /** The imported package, if it is one and not a module of Node. */
  readonly package: string | undefined;
}

export type Rooms = Readonly<Record<string, readonly string[]>>;

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^;"']*?from\s*"([^"]+)"|import\(\s*"([^"]+)"|(?:^|\n)import\s+"([^"]+)"/g;

export function sourceFiles(folder: string): SourceFile[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name))
    .map((name) => join(folder, name))
    .map((path) => ({ path, text: readFileSync(path, "utf8") }));
}

export function roomOf(path: string): string {
  const parts = path.split("/");
  if (parts[0] !== "src") return parts[0] ?? "";
  return parts.length === 2 ? (parts[1] ?? "").replace(/\.ts$/, "") : parts.slice(1, -1).join("/");
}

export function importsOf(files: readonly SourceFile[]): Import[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(IMPORT)].map((match) => {
      const from = match[1] ?? match[2] ?? match[3] ?? "";
      const isOwn = from.startsWith(".");
      const targetFile = isOwn ? relative(".", normalize(join(path, "..", from))) : undefined;
      return {
        file: path,
        room: roomOf(path),
        target: targetFile === undefined ? undefined : roomOf(targetFile),
        targetFile,
        package: isOwn || from.startsWith("node:") ? undefined : packageOf(from),
      };
    }),
  );
}

function packageOf(from: string): string {
  return from.match(/^(@[^/]+\/[^/]+|[^/]+)/)?.[0] ?? from;
}

/** A sentence for each import that is not allowed. `packages`: the rooms that may import each package. */
export function violationsOf(imports: readonly Import[], rooms: Rooms, packages: Rooms): string[] {
  return imports.flatMap((one) => {
    if (one.package !== undefined) {
      const allowed = packages[one.package];
      return allowed?.some((room) => one.room === room || one.room.startsWith(`${room}/`))
        ? []
        : [`${one.file} imports the package ${one.package}`];
    }
    if (one.target === undefined || one.target === one.room) return [];
    return rooms[one.room]?.includes(one.target) ? [] : [`${one.file} imports ${one.targetFile}`];
  });
}

/** Groups of rooms that import each other in a cycle, sorted (Tarjan's strongly connected components). */
export function cyclesOf(imports: readonly Import[]): string[][] {
  const edges = new Map<string, Set<string>>();
  for (const { room, target } of imports) {
    if (target === undefined || target === room) continue;
    edges.set(room, (edges.get(room) ?? new Set()).add(target));
  }
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const cycles: string[][] = [];
  const visit = (room: string): number => {
    const own = index.size;
    index.set(room, own);
    low.set(room, own);
    stack.push(room);
    for (const target of edges.get(room) ?? []) {
      const reached = index.has(target)
        ? stack.includes(target)
          ? (index.get(target) ?? own)
          : own
        : visit(target);
      low.set(room, Math.min(low.get(room) ?? own, reached));
    }
    if (low.get(room) === own) {
      const group = stack.splice(stack.indexOf(room));
      if (group.length > 1) cycles.push(group.sort());
    }
    return low.get(room) ?? own;
  };
  for (const room of edges.keys()) if (!index.has(room)) visit(room);
  return cycles;
}

/** `entry` and all files that it imports, directly or not. */
export function reachedFrom(entry: string, imports: readonly Import[]): ReadonlySet<string> {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const one of imports) if (one.file === file && one.targetFile !== undefined) visit(one.targetFile);
  };
  visit(entry);
  return reached;
}
