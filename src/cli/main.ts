/** Runs the command from the sources or the package. launch.ts starts it. */
import { enableCompileCache } from "node:module";

// Halves the start of a command. It only works for what is imported after it.
enableCompileCache();
const { runCommandProcess } = await import("./command-process.ts");
await runCommandProcess();
