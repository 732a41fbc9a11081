/** Hosts with a network of their own, in network namespaces on one bridge: their links can be cut as cables are. Needs Linux and root. */
import { spawnSync } from "node:child_process";

/** Of RFC 2544, for tests of networks: nobody's. */
const PREFIX = `198.18.${process.pid % 256}`;

export interface TestHost {
  readonly address: string;
  readonly networkNamespace: string;
}

export class TestNetwork implements Disposable {
  readonly hosts: readonly TestHost[];
  /** A namespace goes later than the command that deletes it: no name is used twice. */
  static #opened = 0;
  readonly #bridge = `mc${process.pid}-${++TestNetwork.#opened}`;
  readonly #end = (): void => this[Symbol.dispose]();

  private constructor(hosts: number) {
    this.hosts = Array.from({ length: hosts }, (_, index) => ({
      address: `${PREFIX}.${index + 2}`,
      networkNamespace: `${this.#bridge}-${index}`,
    }));
    process.once("exit", this.#end);
  }

  /** This process has an address beside the hosts. Throws an Error where the machine does not allow it. */
  static open(hosts: number): TestNetwork {
    const network = new TestNetwork(hosts);
    try {
      network.#build();
      return network;
    } catch (error) {
      network[Symbol.dispose]();
      throw error;
    }
  }

  #build(): void {
    ip("link", "add", this.#bridge, "type", "bridge");
    ip("addr", "add", `${PREFIX}.1/24`, "dev", this.#bridge);
    ip("link", "set", this.#bridge, "up");
    for (const [index, { address, networkNamespace: name }] of this.hosts.entries()) {
      const port = `${this.#bridge}p${index}`;
      ip("netns", "add", name);
      ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name);
      ip("link", "set", port, "master", this.#bridge, "up");
      ip("-n", name, "addr", "add", `${address}/24`, "dev", "eth0");
      ip("-n", name, "link", "set", "lo", "up");
      ip("-n", name, "link", "set", "eth0", "up");
    }
  }

  /** Pulls the cable of a host: nobody reaches it, and it reaches nobody. */
  cutOff({ networkNamespace }: TestHost): void {
    ip("-n", networkNamespace, "link", "set", "eth0", "down");
  }

  healed({ networkNamespace }: TestHost): void {
    ip("-n", networkNamespace, "link", "set", "eth0", "up");
  }

  /** What one sends to the other is lost, in both directions; this process reaches both. */
  cutBetween(one: TestHost, other: TestHost): void {
    ip("-n", one.networkNamespace, "route", "add", "blackhole", other.address);
    ip("-n", other.networkNamespace, "route", "add", "blackhole", one.address);
  }

  healedBetween(one: TestHost, other: TestHost): void {
    ip("-n", one.networkNamespace, "route", "del", "blackhole", other.address);
    ip("-n", other.networkNamespace, "route", "del", "blackhole", one.address);
  }

  [Symbol.dispose](): void {
    process.removeListener("exit", this.#end);
    for (const [index, { networkNamespace }] of this.hosts.entries()) {
      spawnSync("ip", ["link", "del", `${this.#bridge}p${index}`]);
      spawnSync("ip", ["netns", "del", networkNamespace]);
    }
    spawnSync("ip", ["link", "del", this.#bridge]);
  }
}

function ip(...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync("ip", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${(error?.message ?? stderr).trim()}`);
}

/** Says why where the machine does not allow such a network. */
export function requireTestNetwork(): boolean {
  try {
    TestNetwork.open(1)[Symbol.dispose]();
    return true;
  } catch (error) {
    process.stderr.write(`no network namespaces here (${String(error)}): tests of partitions are skipped\n`);
    return false;
  }
}
