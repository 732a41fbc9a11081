/** Where `tier:up` says which process it is. */
import { fileURLToPath } from "node:url";

export const RUNNING_FILE = fileURLToPath(new URL("../.cache/tier-up.pid", import.meta.url));
