/** Other caches of this machine before the same origin, each in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, chmodSync, constants, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { freePort } from "../../support/free-port.ts";
import { PEER_KINDS, type PeerKind } from "./peer-kinds.ts";
import { untilListening } from "./ports.ts";

export interface Peer extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
}

/** Those that are installed, or are named by a variable, one after the other. `folder` is for their files. */
export async function* startPeers(originPort: number, folder: string): AsyncGenerator<Peer> {
  chmodSync(folder, 0o711);
  for (const kind of PEER_KINDS) {
    const program = process.env[kind.variable] ?? programOf(kind.program);
    if (program === undefined) console.error(`${kind.name} is not here`);
    else yield await start(kind, program, originPort, join(folder, kind.program));
  }
}

async function start(kind: PeerKind, program: string, originPort: number, folder: string): Promise<Peer> {
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const place = { port: await freePort(), originPort, folder };
  for (const [name, text] of Object.entries(kind.files(place))) writeFileSync(join(folder, name), text);
  const child = spawn(program, kind.flags(place), { stdio: ["ignore", "ignore", "inherit"] });
  const peer = { name: kind.name, port: place.port, [Symbol.asyncDispose]: () => end(child) };
  try {
    await untilListening(place.port);
    return peer;
  } catch (error) {
    await end(child);
    throw error;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, "exit");
}

function programOf(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"];
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
