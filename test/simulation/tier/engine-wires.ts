/** The connections between servers and nodes of the engine: bytes arrive in order, late, or never. */
import { EventEmitter } from "node:events";
import type { Rng } from "../../../src/common/random.ts";
import type { EngineSocket, openSocket } from "../../../src/tier/engine/socket.ts";
import type { SimulatedProcess } from "../process.ts";
import type { VirtualTime } from "../virtual-time.ts";
import type { EngineNode, Peer } from "./engine-node.ts";
import { CommandReader, encodeReply } from "./resp.ts";

export interface WireSettings {
  readonly latencyMs: number;
  readonly jitterMs: number;
}

/** Of one server and one node. */
class Link {
  /** Nothing arrives on either side. */
  isHeld = false;
  waiting: (() => void)[] = [];
}

export class EngineWires {
  readonly #time: VirtualTime;
  readonly #rng: Rng;
  readonly #settings: WireSettings;
  readonly #nodeAt: (name: string) => EngineNode;
  readonly #links = new Map<string, Link>();
  readonly #wires = new Set<Wire>();

  constructor(time: VirtualTime, rng: Rng, settings: WireSettings, nodeAt: (name: string) => EngineNode) {
    this.#time = time;
    this.#rng = rng;
    this.#settings = settings;
    this.#nodeAt = nodeAt;
  }

  /** How the process of a server connects. */
  connector(server: string, process: SimulatedProcess): typeof openSocket {
    return ({ host }) => {
      const node = this.#nodeAt(host);
      const wire = new Wire(
        server,
        process,
        node,
        this.#time,
        () => this.#latency(),
        this.#linkOf(server, node),
      );
      this.#wires.add(wire);
      return wire.socket as unknown as EngineSocket;
    };
  }

  hold(server: string, node: EngineNode): void {
    this.#linkOf(server, node).isHeld = true;
  }

  release(server: string, node: EngineNode): void {
    const link = this.#linkOf(server, node);
    const waiting = link.waiting;
    link.isHeld = false;
    link.waiting = [];
    for (const deliver of waiting) deliver();
  }

  /** The node has ended. `silently`: nobody is told. */
  nodeEnded(node: EngineNode, silently: boolean): void {
    for (const wire of [...this.#wires]) {
      if (wire.node !== node) continue;
      this.#wires.delete(wire);
      wire.end(silently);
    }
    node.peers.clear();
  }

  serverEnded(process: SimulatedProcess): void {
    for (const wire of [...this.#wires]) {
      if (wire.process !== process) continue;
      this.#wires.delete(wire);
      wire.node.peers.delete(wire.peer);
      wire.end(true);
    }
  }

  /** Some connections end that lead to the node. */
  reset(node: EngineNode): void {
    for (const wire of [...this.#wires])
      if (wire.node === node && this.#rng.fraction() < 0.6) wire.peer.reset();
  }

  #linkOf(server: string, node: EngineNode): Link {
    const name = `${server} ${node.name}`;
    const link = this.#links.get(name) ?? new Link();
    this.#links.set(name, link);
    return link;
  }

  #latency(): number {
    const { latencyMs, jitterMs } = this.#settings;
    return latencyMs + Math.floor(this.#rng.fraction() * (jitterMs + 1));
  }
}

class Wire {
  readonly process: SimulatedProcess;
  readonly node: EngineNode;
  readonly peer: Peer;
  readonly socket: SimulatedSocket;
  readonly #time: VirtualTime;
  readonly #latency: () => number;
  readonly #link: Link;
  readonly #reader = new CommandReader();
  #upMs = 0;
  #downMs = 0;
  #out = "";
  #isEnded = false;

  constructor(
    server: string,
    process: SimulatedProcess,
    node: EngineNode,
    time: VirtualTime,
    latency: () => number,
    link: Link,
  ) {
    this.process = process;
    this.node = node;
    this.#time = time;
    this.#latency = latency;
    this.#link = link;
    this.peer = {
      server,
      channels: new Set(),
      send: (bytes) => this.#send(bytes),
      reset: () => {
        node.peers.delete(this.peer);
        this.end(false);
      },
    };
    this.socket = new SimulatedSocket({
      write: (bytes) => this.#up(() => this.#take(bytes)),
      destroy: () => {
        this.#up(() => node.peers.delete(this.peer));
        this.#isEnded = true;
      },
    });
    if (node.isAlive) node.peers.add(this.peer);
    else this.end(false);
  }

  /** Nothing more arrives at the node. `silently`: the server is not told. */
  end(silently: boolean): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (!silently) this.#down(() => this.socket.emit("close"));
  }

  #up(run: () => void): void {
    this.#upMs = Math.max(this.#upMs, this.#time.nowMs() + this.#latency());
    this.#at(this.#upMs, () => {
      if (this.node.peers.has(this.peer)) this.node.process.deliver(this.peer, run);
    });
  }

  #down(run: () => void): void {
    this.#downMs = Math.max(this.#downMs, this.#time.nowMs() + this.#latency());
    this.#at(this.#downMs, () => this.process.deliver(this.peer, run));
  }

  #at(atMs: number, run: () => void): void {
    const arrive = (): void => {
      if (this.#link.isHeld) this.#link.waiting.push(run);
      else run();
    };
    this.#time.at(atMs, arrive);
  }

  #take(bytes: string): void {
    for (const command of this.#reader.take(bytes)) {
      const reply = this.node.execute(this.peer, command);
      if (reply !== undefined) this.#send(encodeReply(reply));
      const late = this.node.takeLate();
      if (late !== "") this.#send(late);
    }
  }

  /** What is sent in one turn arrives together. */
  #send(bytes: string): void {
    const isFirst = this.#out === "";
    this.#out += bytes;
    if (!isFirst) return;
    queueMicrotask(() => {
      const sent = this.#out;
      this.#out = "";
      this.#down(() => {
        if (!this.socket.isDestroyed) this.socket.emit("data", Buffer.from(sent, "latin1"));
      });
    });
  }
}

class SimulatedSocket extends EventEmitter {
  writableCorked = 0;
  isDestroyed = false;
  readonly #ends: { write(bytes: string): void; destroy(): void };
  #corked = "";

  constructor(ends: { write(bytes: string): void; destroy(): void }) {
    super();
    this.#ends = ends;
  }

  setNoDelay(): this {
    return this;
  }

  cork(): void {
    this.writableCorked += 1;
  }

  uncork(): void {
    this.writableCorked -= 1;
    const bytes = this.#corked;
    this.#corked = "";
    if (bytes !== "" && !this.isDestroyed) this.#ends.write(bytes);
  }

  write(bytes: Uint8Array): boolean {
    this.#corked += Buffer.from(bytes).toString("latin1");
    return true;
  }

  destroy(): this {
    if (!this.isDestroyed) this.#ends.destroy();
    this.isDestroyed = true;
    return this;
  }
}
