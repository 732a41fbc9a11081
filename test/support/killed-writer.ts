/** A process that is killed while it writes a snapshot: `node killed-writer.ts FILE BREAK`, the break as JSON. */
import { systemClock } from "../../src/common/clock.ts";
import { systemRng } from "../../src/common/random.ts";
import { SnapshotFile } from "../../src/snapshot/snapshot-file.ts";
import { withBrokenDisk } from "./broken-disk.ts";
import { filledMemory } from "./filled-memory.ts";

const [, , path = "", where = ""] = process.argv;
const memory = filledMemory();
const kill = () => void process.kill(process.pid, "SIGKILL");
withBrokenDisk(JSON.parse(where), kill, () => new SnapshotFile(path).save(memory, systemClock, systemRng));
