/**
 * One node of the modelled engine: a process with data, a library and connections. It answers by what it knows of the cluster,
 * which may be out of date. What it writes reaches its replicas later, and some of it never.
 */
import type { Rng } from "../../../src/common/random.ts";
import { shardKeys } from "../../../src/tier/library/keys.ts";
import type { SimulatedProcess } from "../process.ts";
import type { VirtualTime } from "../virtual-time.ts";
import type { ClusterView } from "./cluster-view.ts";
import { type Command, type EngineReply, Keyspace, Status } from "./keyspace.ts";
import { LibraryProcess } from "./library-process.ts";
import { ErrorReply, encodePush } from "./resp.ts";

/** One connection of a server, as the node has it. */
export interface Peer {
  readonly server: string;
  readonly channels: Set<string>;
  send(bytes: string): void;
  /** The node ends it. */
  reset(): void;
}

/** What watches the calls of the library. */
export interface NodeListener {
  /** A call was answered. */
  called(
    node: EngineNode,
    name: string,
    keys: readonly string[],
    args: readonly string[],
    reply: EngineReply,
  ): void;
  /** A function has published this, in a call that `called` tells of next. */
  published(channel: string, payload: string): void;
  /** A server was told of the epoch that this node has seen. */
  told(node: EngineNode, server: string): void;
  /** A server was told which node has a shard, as this node sees it. */
  named(node: EngineNode, server: string, shard: number): void;
}

export interface NodeOptions {
  readonly name: string;
  readonly port: number;
  readonly time: VirtualTime;
  readonly rng: Rng;
  readonly listener: NodeListener;
  /** Of its wall clock, beside the one of the others. */
  readonly aheadMs: number;
  /** A connection's own events come before the reply, as with Redis, or after it, as with Valkey. */
  readonly pushesFirst: boolean;
  readonly view: ClusterView;
  process(): SimulatedProcess;
}

const OOM = "OOM command not allowed when used memory > 'maxmemory'.";
const REPLICATION_ID_LENGTH = 40;
const WALL_ORIGIN_MS = 1_700_000_000_000;

export class EngineNode {
  readonly name: string;
  readonly id: string;
  readonly port: number;
  process: SimulatedProcess;
  view: ClusterView;
  /** The latest election that it has seen. */
  epoch: number;
  /** It sees a majority. */
  isOk = true;
  /** It has no memory left. */
  isFull = false;
  /** Share of pushes that are lost. */
  lostPushes = 0;
  /** Answers of calls for a shard that is about to move. */
  refusal: (shard: number) => string | undefined = () => undefined;
  replicationId: string;
  library: LibraryProcess | undefined;
  readonly data: Keyspace;
  readonly peers = new Set<Peer>();
  /** What it writes, for its replicas. */
  replicate: (commands: readonly Command[]) => void = () => undefined;
  readonly #options: NodeOptions;
  #written: Command[] = [];
  /** Pushes of the command that runs, to its own connection. */
  #late: string | undefined;
  #caller: Peer | undefined;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.name = options.name;
    this.port = options.port;
    this.view = options.view;
    this.epoch = options.view.epoch;
    this.process = options.process();
    this.id = this.#hex();
    this.replicationId = this.#hex();
    this.data = new Keyspace(
      () => this.wallMs(),
      () => options.rng.fraction(),
    );
  }

  get isAlive(): boolean {
    return this.process.alive();
  }

  wallMs(): number {
    return WALL_ORIGIN_MS + this.#options.time.nowMs() + this.#options.aheadMs;
  }

  newReplicationId(): void {
    this.replicationId = this.#hex();
  }

  /** A new process on the same host, without memory. */
  restarted(): void {
    this.process = this.#options.process();
    this.newReplicationId();
    this.isOk = true;
    this.isFull = false;
    this.load(this.library?.text);
  }

  /** The library begins without memory. Undefined: it is gone. */
  load(text: string | undefined): void {
    this.library = text === undefined ? undefined : new LibraryProcess(text, (command) => this.#run(command));
  }

  apply(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command[0] === "FUNCTION") this.load(command[1]);
      else this.data.runReplicated(command);
    }
  }

  execute(peer: Peer, command: Command): EngineReply | ErrorReply | undefined {
    this.#caller = peer;
    this.#late = this.#options.pushesFirst ? undefined : "";
    try {
      return this.#execute(peer, command);
    } catch (error) {
      if (error instanceof ErrorReply) return error;
      throw error;
    } finally {
      const written = this.#written;
      this.#written = [];
      if (written.length > 0) this.replicate(written);
      this.#caller = undefined;
    }
  }

  /** What goes to the connection behind the reply of the command that has run. */
  takeLate(): string {
    const late = this.#late ?? "";
    this.#late = undefined;
    return late;
  }

  #execute(peer: Peer, command: Command): EngineReply | undefined {
    const [name = "", first = "", second = ""] = command;
    switch (name) {
      case "HELLO":
        return [];
      case "TIME":
        return this.#run(command);
      case "INFO":
        return "maxmemory_policy:noeviction\r\n";
      case "CLUSTER":
        if (first === "INFO") this.#options.listener.told(this, peer.server);
        return this.#cluster(first);
      case "FUNCTION":
        if (!this.#isPrimary) throw new ErrorReply("READONLY You can't write against a read only replica.");
        this.load(command[3]);
        this.#written.push(["FUNCTION", command[3] ?? ""]);
        return new Status("OK");
      case "FCALL":
      case "FCALL_RO":
        return this.#call(first, Number(second), command.slice(3));
      case "SSUBSCRIBE":
        this.#admit([first]);
        peer.channels.add(first);
        peer.send(encodePush(["ssubscribe", first, 1]));
        return undefined;
      case "PUBSUB":
        return [second, [...this.peers].filter(({ channels }) => channels.has(second)).length];
      case "SCAN":
        return ["0", this.#scan(command[3] ?? "")];
      default:
        if (name === "GET" && this.isOk) {
          this.#options.listener.named(this, peer.server, this.view.shardOfKey(first));
        }
        this.#admit([first]);
        if (this.isFull && Keyspace.isWrite(command)) throw new ErrorReply(OOM);
        return this.#run(command);
    }
  }

  #call(name: string, count: number, rest: readonly string[]): EngineReply {
    const keys = rest.slice(0, count);
    const args = rest.slice(count);
    if (count > 0) this.#admit(keys);
    const isRead = this.library?.isRead(name);
    if (this.library === undefined || isRead === undefined) throw new ErrorReply("ERR Function not found");
    if (this.isFull && !this.library.allowsOom(name)) throw new ErrorReply(OOM);
    const reply = this.library.call(name, keys, args);
    this.#options.listener.called(this, name, keys, args, reply);
    return reply;
  }

  get #isPrimary(): boolean {
    return this.view.isPrimary(this);
  }

  /** Throws what a node answers that does not serve the keys. */
  #admit([key = ""]: readonly string[]): void {
    const shard = this.view.shardOfKey(key);
    if (!this.isOk) throw new ErrorReply("CLUSTERDOWN The cluster is down");
    const owner = this.view.ownerOf(shard);
    if (owner !== this) throw new ErrorReply(`MOVED ${this.view.slotOf(shard)} ${owner.name}:${owner.port}`);
    const refusal = this.refusal(shard);
    if (refusal !== undefined) throw new ErrorReply(refusal);
  }

  #run(command: Command): EngineReply {
    const [name, channel = "", payload = ""] = command;
    const wallMs = this.wallMs();
    if (name === "TIME") return [String(Math.floor(wallMs / 1_000)), String((wallMs % 1_000) * 1_000)];
    if (name === "INFO") return `master_replid:${this.replicationId}\r\n`;
    if (name === "SPUBLISH") return this.#publish(channel, payload);
    const reply = this.data.run(command);
    if (Keyspace.isWrite(command)) this.#written.push(command);
    return reply;
  }

  #publish(channel: string, payload: string): number {
    this.#options.listener.published(channel, payload);
    for (const peer of this.peers) {
      if (!peer.channels.has(channel)) continue;
      if (this.lostPushes > 0 && this.#options.rng.fraction() < this.lostPushes) continue;
      const push = encodePush(["smessage", channel, payload]);
      if (peer === this.#caller && this.#late !== undefined) this.#late += push;
      else peer.send(push);
    }
    return this.peers.size;
  }

  /** It does not serve the shard any more. */
  unsubscribe(shard: number): void {
    const { stream } = shardKeys(shard);
    for (const peer of this.peers) {
      if (peer.channels.delete(stream)) peer.send(encodePush(["sunsubscribe", stream, 0]));
    }
  }

  #cluster(name: string): EngineReply {
    if (name === "INFO") {
      return `cluster_state:${this.isOk ? "ok" : "fail"}\r\ncluster_current_epoch:${this.epoch}\r\n`;
    }
    if (name === "SLOTS") return this.view.slots();
    return this.data.keys.length;
  }

  /** All at once: a cursor of the model would have nothing behind it. */
  #scan(pattern: string): readonly string[] {
    const begin = pattern.slice(pattern.indexOf(":e:"), -1).replace(/\\(.)/g, "$1");
    return this.data.keys.filter((key) => key.slice(key.indexOf("}") + 1).startsWith(begin));
  }

  #hex(): string {
    const digit = () => Math.floor(this.#options.rng.fraction() * 16).toString(16);
    return Array.from({ length: REPLICATION_ID_LENGTH }, digit).join("");
  }
}
