/** Whether what a folder of applications needs is installed. */
import { existsSync } from "node:fs";

/** Says it when it is not. Throws in CI. */
export function isInstalled(folder: string, what: string): boolean {
  if (existsSync(`${folder}/node_modules`)) return true;
  const said = `${what}: not installed, so not tried (.ci/adapters installs it)`;
  if (process.env.CI === "true") throw new Error(said);
  console.log(said);
  return false;
}
