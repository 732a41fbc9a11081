import { describe, expect, it } from "vitest";
import { type CgroupLimits, readCgroupLimits } from "../../../src/cli/settings/cgroup.ts";

type Files = Readonly<Record<string, string>>;

const MIB = 2 ** 20;
const V2_MOUNT = "31 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const V1_MOUNTS = [
  "32 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct",
  "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory",
].join("\n");

function read(files: Files): CgroupLimits {
  return readCgroupLimits((path) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    return text;
  });
}

const v2 = (path: string, files: Files) =>
  read({ "/proc/self/cgroup": `0::${path}\n`, "/proc/self/mountinfo": V2_MOUNT, ...files });
const v1 = (files: Files, mounts = V1_MOUNTS) =>
  read({
    "/proc/self/cgroup": "5:cpu,cpuacct:/kubepods/pod1\n4:memory:/kubepods/pod1\n0::/\n",
    "/proc/self/mountinfo": mounts,
    ...files,
  });
const none = { memoryBytes: undefined, cpus: undefined };

describe("L6: readCgroupLimits()", () => {
  it("reads version 2 in a container, whose group is the root of what it sees", () => {
    const files = { "/sys/fs/cgroup/memory.max": "536870912\n", "/sys/fs/cgroup/cpu.max": "150000 100000\n" };
    expect(v2("/", files)).toEqual({
      memoryBytes: { value: 512 * MIB, path: "/sys/fs/cgroup/memory.max" },
      cpus: { value: 1.5, path: "/sys/fs/cgroup/cpu.max" },
    });
  });

  it("takes the least limit of the group and of all above it", () => {
    const files = {
      "/sys/fs/cgroup/system.slice/cache.service/memory.max": "max\n",
      "/sys/fs/cgroup/system.slice/memory.max": `${300 * MIB}\n`,
      "/sys/fs/cgroup/memory.max": `${900 * MIB}\n`,
      "/sys/fs/cgroup/system.slice/cache.service/cpu.max": "400000 100000\n",
      "/sys/fs/cgroup/system.slice/cpu.max": "50000 100000\n",
    };
    expect(v2("/system.slice/cache.service", files)).toEqual({
      memoryBytes: { value: 300 * MIB, path: "/sys/fs/cgroup/system.slice/memory.max" },
      cpus: { value: 0.5, path: "/sys/fs/cgroup/system.slice/cpu.max" },
    });
  });

  it("reads version 1, whose groups differ by controller", () => {
    const files = {
      "/sys/fs/cgroup/memory/kubepods/pod1/memory.limit_in_bytes": "268435456\n",
      "/sys/fs/cgroup/cpu,cpuacct/kubepods/cpu.cfs_quota_us": "200000\n",
      "/sys/fs/cgroup/cpu,cpuacct/kubepods/cpu.cfs_period_us": "100000\n",
    };
    expect(v1(files)).toEqual({
      memoryBytes: { value: 256 * MIB, path: "/sys/fs/cgroup/memory/kubepods/pod1/memory.limit_in_bytes" },
      cpus: { value: 2, path: "/sys/fs/cgroup/cpu,cpuacct/kubepods/cpu.cfs_quota_us" },
    });
  });

  it("finds the group where a part of the hierarchy is mounted", () => {
    const mounts = V1_MOUNTS.replaceAll(" / /sys", " /kubepods/pod1 /sys");
    const files = { "/sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n" };
    expect(v1(files, mounts).memoryBytes?.value).toBe(256 * MIB);
  });

  it("reads both versions where both are mounted", () => {
    const files = {
      "/sys/fs/cgroup/memory/kubepods/pod1/memory.limit_in_bytes": "268435456\n",
      "/sys/fs/cgroup/unified/memory.max": "134217728\n",
    };
    const unified = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
    expect(v1(files, `${V1_MOUNTS}\n${unified}`).memoryBytes?.value).toBe(128 * MIB);
  });

  it("decodes the mount's path, and stays inside of it", () => {
    const mountinfo = "31 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n";
    const files = { "/proc/self/mountinfo": mountinfo, "/my groups/memory.max": "1048576" };
    expect(v2("/a", files).memoryBytes?.value).toBe(MIB);
    const outside = { "/sys/fs/cgroup/../b/memory.max": "1048576", "/sys/fs/cgroup/memory.max": "2097152" };
    expect(v2("/../b", outside).memoryBytes?.value).toBe(2 * MIB);
  });

  it.each([
    "max",
    "9223372036854771712",
    "18446744073709551615",
    "0",
    "-1",
    "",
    "many",
    "1e9",
    "5 MiB",
    "1.5",
  ])("takes a memory limit of %j for none", (text) => {
    const path = "/sys/fs/cgroup/memory/kubepods/pod1/memory.limit_in_bytes";
    expect(v2("/", { "/sys/fs/cgroup/memory.max": text })).toEqual(none);
    expect(v1({ [path]: text })).toEqual(none);
  });

  it.each(["max 100000", "max", "", "0 100000", "100000", "100000 0", "-1 100000", "a b"])(
    "takes a CPU quota of %j for none",
    (text) => {
      const [quota = "", period = ""] = text.split(" ");
      const directory = "/sys/fs/cgroup/cpu,cpuacct/kubepods/pod1";
      expect(v2("/", { "/sys/fs/cgroup/cpu.max": text })).toEqual(none);
      const files = { [`${directory}/cpu.cfs_quota_us`]: quota, [`${directory}/cpu.cfs_period_us`]: period };
      expect(v1(files)).toEqual(none);
    },
  );

  it.each<[string, Files]>([
    ["without any file", {}],
    ["without mounts", { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "1" }],
    ["without groups", { "/proc/self/mountinfo": V2_MOUNT, "/sys/fs/cgroup/memory.max": "1" }],
    [
      "with malformed lines",
      { "/proc/self/cgroup": "::\n0:\nx", "/proc/self/mountinfo": "- cgroup2\n1 2 - cgroup2" },
    ],
  ])("finds no limit %s", (_, files) => expect(read(files)).toEqual(none));
});
