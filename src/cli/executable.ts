/** The entry module of the single executable file, which has no modules beside it. `scripts/build-binary.ts` makes it. */
import { runCommandProcess } from "./command-process.ts";

void runCommandProcess();
