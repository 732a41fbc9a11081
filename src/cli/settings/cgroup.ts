/**
 * The limits that control groups of Linux set for this process: its memory, and its share of the processors. The limit of
 * every group from its own to the root counts, of version 1 and of version 2 (cgroups(7), the kernel's cgroup-v2.rst).
 */

/** Returns the text of a file, or throws. */
export type ReadFile = (path: string) => string;

export interface CgroupLimit {
  /** Bytes, or processors, such as 1.5. */
  readonly value: number;
  /** The file that sets it. */
  readonly path: string;
}

export interface CgroupLimits {
  /** `undefined`: there is none, or none that can be read. */
  readonly memoryBytes: CgroupLimit | undefined;
  readonly cpus: CgroupLimit | undefined;
}

interface Mount {
  /** The directory of the hierarchy that is mounted. */
  readonly root: string;
  readonly point: string;
}

/** Version 1 says "no limit" by the greatest multiple of a page in 63 bits. No machine has so much memory. */
const MEMORY_NO_LIMIT_BYTES = 2 ** 50;

/** A limit in one directory, as the path of its file and its value; `undefined` if there is none. */
type LimitIn = (directory: string) => CgroupLimit | undefined;

/** Never throws: what is missing or malformed is no limit. */
export function readCgroupLimits(readFile: ReadFile): CgroupLimits {
  const read = (path: string): string => {
    try {
      return readFile(path);
    } catch {
      return "";
    }
  };
  const groups = read("/proc/self/cgroup");
  const mounts = read("/proc/self/mountinfo");
  const least = (controller: string, limitV2: LimitIn, limitV1: LimitIn): CgroupLimit | undefined => {
    const found = [
      ...directoriesOf(groups, mounts, undefined).map(limitV2),
      ...directoriesOf(groups, mounts, controller).map(limitV1),
    ];
    return found
      .filter((limit) => limit !== undefined)
      .reduce<CgroupLimit | undefined>(
        (most, limit) => (most === undefined || limit.value < most.value ? limit : most),
        undefined,
      );
  };
  const memoryIn =
    (file: string): LimitIn =>
    (directory) => {
      const path = `${directory}/${file}`;
      const value = positive(read(path));
      return value === undefined || value >= MEMORY_NO_LIMIT_BYTES ? undefined : { value, path };
    };
  const cpusV2: LimitIn = (directory) => {
    const path = `${directory}/cpu.max`;
    const [quota = "", period = ""] = read(path).trim().split(" ");
    return toCpus(quota, period, path);
  };
  const cpusV1: LimitIn = (directory) => {
    const path = `${directory}/cpu.cfs_quota_us`;
    return toCpus(read(path), read(`${directory}/cpu.cfs_period_us`), path);
  };
  return {
    memoryBytes: least("memory", memoryIn("memory.max"), memoryIn("memory.limit_in_bytes")),
    cpus: least("cpu", cpusV2, cpusV1),
  };
}

/** Both in microseconds. */
function toCpus(quota: string, period: string, path: string): CgroupLimit | undefined {
  const [quotaMicros, periodMicros] = [positive(quota), positive(period)];
  if (quotaMicros === undefined || periodMicros === undefined) return undefined;
  return { value: quotaMicros / periodMicros, path };
}

function positive(text: string): number | undefined {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : 0;
  return value > 0 ? value : undefined;
}

/** The directories of the process's group and of those above it. `controller`: of version 1; `undefined`: of version 2. */
function directoriesOf(groups: string, mounts: string, controller: string | undefined): string[] {
  const path = groupPath(groups, controller);
  const mount = findMount(mounts, controller);
  if (path === undefined || mount === undefined) return [];
  // A container may see its own group as the root of the mount, whatever its path is outside.
  const isBelow = path === mount.root || path.startsWith(mount.root === "/" ? "/" : `${mount.root}/`);
  const steps = isBelow ? path.slice(mount.root.length).split("/").filter(Boolean) : [];
  const visible = steps.includes("..") ? [] : steps;
  return Array.from({ length: visible.length + 1 }, (_, up) =>
    [mount.point, ...visible.slice(0, visible.length - up)].join("/"),
  );
}

/** From a line "4:memory:/path", or "0::/path" for version 2. */
function groupPath(groups: string, controller: string | undefined): string | undefined {
  for (const line of groups.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined) continue;
    if (controller === undefined ? controllers === "" : controllers.split(",").includes(controller))
      return path;
  }
  return undefined;
}

/** From a line "36 35 0:29 ROOT POINT OPTIONS… - TYPE SOURCE SUPER-OPTIONS" (proc_pid_mountinfo(5)). */
function findMount(mounts: string, controller: string | undefined): Mount | undefined {
  for (const line of mounts.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, point] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    if (root === undefined || point === undefined) continue;
    const isOne =
      controller === undefined
        ? type === "cgroup2"
        : type === "cgroup" && options.split(",").includes(controller);
    if (isOne) return { root: unescapeOctal(root), point: unescapeOctal(point) };
  }
  return undefined;
}

/** Spaces and the like are written as "\040". */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
