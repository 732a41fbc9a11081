/** The nodes of the engine's cluster as this server sees them: finds the primaries, keeps a link to each, and asks their majority. */
import type { Timer } from "../common/clock.ts";
import type { HostPort } from "../common/host-port.ts";
import { ask } from "./engine/ask.ts";
import { EngineConnection, unavailable } from "./engine/connection.ts";
import {
  type ClusterInfo,
  idsByEndpoint,
  keyOf,
  movedTo,
  type NodeName,
  primariesOf,
  type Topology,
  toClusterInfo,
  toTopology,
} from "./engine/topology.ts";
import { type LinkDeps, type LinkListener, NodeLink } from "./node-link.ts";
import { Quorum, type Voter } from "./quorum.ts";

/** After a failure; then twice as long, up to the second. */
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 2_000;
/** A node that is silent for so long is not waited for: the others say what has become of it. */
const VIEW_MAX_MS = 500;
/** A change that no answer tells of is found after this. */
const REFRESH_INTERVAL_MS = 5_000;

export interface ClusterDeps extends Omit<LinkDeps, "confirm"> {
  readonly seeds: readonly HostPort[];
  readonly fraction: () => number;
}

export interface ClusterListener {
  /** Links to all primaries exist, open or not. */
  changed(topology: Topology, linkOf: (id: string) => NodeLink | undefined): void;
  verified(link: NodeLink): void;
  suspected(link: NodeLink): void;
  closed(link: NodeLink, cause: Error): void;
  message(link: NodeLink, channel: string, payload: Buffer): void;
  /** The node has ended the subscription, as it does when it has the slot no more. The topology is asked for again. */
  unsubscribed(link: NodeLink, channel: string): void;
  /** No node has told the topology. It is asked for again. */
  failed(cause: unknown): void;
}

/** What a node says of the cluster. */
interface View {
  readonly info: ClusterInfo;
  readonly topology: Topology;
}

export class Cluster {
  readonly quorum: Quorum;
  readonly #deps: ClusterDeps;
  readonly #listener: ClusterListener;
  readonly #links = new Map<string, NodeLink>();
  /** The nodes that each node has told of, by their addresses as it names them. */
  readonly #named = new WeakMap<NodeLink, ReadonlyMap<string, string>>();
  #topology: Topology = { ranges: [] };
  /** Any node was told of as a replica: it may be elected, or was. */
  #hadReplicas = false;
  #isRefreshing = false;
  #isDue = false;
  #lastMs = -RETRY_MIN_MS;
  #failures = 0;
  #retries = 0;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(deps: ClusterDeps, listener: ClusterListener) {
    this.#deps = deps;
    this.#listener = listener;
    this.quorum = new Quorum(() => this.#voters(), deps.clock, deps.boundary);
  }

  get topology(): Topology {
    return this.#topology;
  }

  get links(): Iterable<NodeLink> {
    return this.#links.values();
  }

  /** Looks for the primaries again, at once, or after the look that is under way. */
  refresh(): void {
    if (this.#isClosed) return;
    if (this.#isRefreshing) {
      this.#isDue = true;
      return;
    }
    const { clock } = this.#deps;
    const waitMs = this.#lastMs + RETRY_MIN_MS - clock.nowMs();
    if (waitMs > 0) {
      this.#again(waitMs);
      return;
    }
    this.#lastMs = clock.nowMs();
    this.#isRefreshing = true;
    this.#isDue = false;
    this.#timer?.cancel();
    this.#look().then(
      (topology) => this.#found(topology),
      (error: unknown) => this.#failed(error),
    );
  }

  /** What was found is of no use yet. Looks again, later each time. */
  retry(): void {
    if (this.#isClosed) return;
    this.#retries += 1;
    this.#again(this.#backoffMs(this.#retries));
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.quorum.close();
    for (const link of this.#links.values()) link.destroy();
    this.#links.clear();
  }

  #found(topology: Topology): void {
    this.#isRefreshing = false;
    if (this.#isClosed) return;
    this.#topology = topology;
    this.#connect(topology);
    const isComplete = [...this.#links.values()].every((link) => link.isOpen);
    this.#failures = isComplete && this.#isVerified() ? 0 : this.#failures + 1;
    this.#listener.changed(topology, (id) => this.#links.get(id));
    this.#again(isComplete && !this.#isDue ? REFRESH_INTERVAL_MS : this.#backoffMs());
  }

  #isVerified(): boolean {
    return [...this.#links.values()].every(({ isVerified }) => isVerified);
  }

  #failed(error: unknown): void {
    this.#isRefreshing = false;
    if (this.#isClosed) return;
    this.#failures += 1;
    this.#listener.failed(error);
    this.#again(this.#backoffMs());
  }

  #again(delayMs: number): void {
    this.#timer?.cancel();
    const { clock, boundary } = this.#deps;
    const refresh = boundary.guard(undefined, () => this.refresh());
    this.#timer = clock.schedule(delayMs, refresh);
  }

  #backoffMs(failures = this.#failures): number {
    const maxMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures, 8));
    return RETRY_MIN_MS + this.#deps.fraction() * (maxMs - RETRY_MIN_MS);
  }

  /** A link to each primary, and to no other node. */
  #connect(topology: Topology): void {
    const primaries = primariesOf(topology);
    for (const [id, link] of this.#links) {
      const primary = primaries.get(id);
      if (primary !== undefined && link.isOpen && keyOf(primary.endpoint) === keyOf(link.node.endpoint))
        continue;
      this.#links.delete(id);
      link.destroy();
    }
    for (const [id, primary] of primaries) if (!this.#links.has(id)) this.#links.set(id, this.#open(primary));
  }

  #open(node: NodeName): NodeLink {
    const listener: LinkListener = {
      verified: () => this.#listener.verified(link),
      suspected: () => this.#listener.suspected(link),
      message: (channel, payload) => this.#listener.message(link, channel, payload),
      unsubscribed: (channel) => {
        this.#listener.unsubscribed(link, channel);
        this.refresh();
      },
      closed: (cause) => {
        if (this.#isClosed) return;
        this.#listener.closed(link, cause);
        // What has never been reached is tried again like all else that fails.
        if (link.wasVerified) this.refresh();
        else this.#again(this.#backoffMs());
      },
    };
    const link: NodeLink = new NodeLink(
      node,
      { ...this.#deps, confirm: (one) => this.#confirm(one) },
      listener,
    );
    return link;
  }

  #voters(): (Voter | undefined)[] {
    return this.#primaries().map((link) => {
      if (link === undefined) return undefined;
      const { connection, node } = link;
      return {
        send: (command, take) => connection.send(command, take),
        ownerIn: (reply) => {
          if (!(reply instanceof Error)) return node.id;
          const moved = movedTo(reply, node.endpoint);
          return moved && this.#named.get(link)?.get(keyOf(moved));
        },
      };
    });
  }

  /** Undefined in the place of one that cannot be asked. */
  #primaries(): (NodeLink | undefined)[] {
    return [...primariesOf(this.#topology).keys()].map((id) => {
      const link = this.#links.get(id);
      return link?.isOpen ? link : undefined;
    });
  }

  /** The view of the node that has seen the latest election, and a majority. */
  async #look(): Promise<Topology> {
    const known = [...this.#links.values()].filter(({ isOpen }) => isOpen);
    const views = await Promise.all(known.map((link) => this.#viewOf(link)));
    const best = latestOf(views);
    if (best !== undefined) return best;
    let lastError: unknown = unavailable("no node of the engine can be reached");
    for (const endpoint of this.#endpoints()) {
      const connection = new EngineConnection({ ...this.#deps, endpoint }, SILENT);
      try {
        const view = await viewOf(connection);
        if (view.info.isOk) return view.topology;
        lastError = unavailable("the engine has no majority, or slots that no node serves");
      } catch (error) {
        lastError = error;
      } finally {
        connection.close();
      }
    }
    throw lastError;
  }

  /** Undefined: it gave none in time. */
  #viewOf(link: NodeLink): Promise<View | undefined> {
    const { clock, boundary } = this.#deps;
    return new Promise((resolve) => {
      const timer = clock.schedule(
        VIEW_MAX_MS,
        boundary.guard(undefined, () => resolve(undefined)),
      );
      viewOf(link.connection).then(
        (view) => {
          timer.cancel();
          this.#named.set(link, idsByEndpoint(view.topology));
          this.#hadReplicas ||= view.topology.ranges.some(({ replicas }) => replicas.length > 0);
          resolve(view);
        },
        () => {
          timer.cancel();
          resolve(undefined);
        },
      );
    });
  }

  /** The seeds, and every node that was ever told of in the last topology. */
  #endpoints(): HostPort[] {
    const nodes = this.#topology.ranges.flatMap(({ primary, replicas }) => [primary, ...replicas]);
    const all = [...this.#deps.seeds, ...nodes.map(({ endpoint }) => endpoint)];
    return [...new Map(all.map((endpoint) => [keyOf(endpoint), endpoint])).values()];
  }

  /**
   * A majority says that the node is a primary, and agrees about the epoch. Where it may have been elected, so do half of all primaries beside
   * it. They and any majority that names the node before it have one in common.
   */
  async #confirm(link: NodeLink): Promise<number | undefined> {
    const voters = this.#primaries();
    const votes = new Map<number, { all: number; others: number }>();
    const views = await Promise.all(voters.map((voter) => voter && this.#viewOf(voter)));
    const mayElect = this.#hadReplicas && voters.length > 1;
    for (const [index, view] of views.entries()) {
      if (!view?.info.isOk || !primariesOf(view.topology).has(link.node.id)) continue;
      const agreeing = votes.get(view.info.epoch) ?? { all: 0, others: 0 };
      votes.set(view.info.epoch, agreeing);
      agreeing.all += 1;
      if (voters[index] !== link) agreeing.others += 1;
      const isSeen = !mayElect || agreeing.others >= voters.length / 2;
      if (isSeen && agreeing.all > voters.length / 2) return view.info.epoch;
    }
    // Another node may be in its place, of which nothing else tells.
    this.refresh();
    return undefined;
  }
}

const SILENT = { message() {}, unsubscribed() {}, closed() {} };

/** Rejects when the node does not answer, or is in no cluster. */
async function viewOf(connection: EngineConnection): Promise<View> {
  const [info, slots] = await Promise.all([
    ask(connection, ["CLUSTER", "INFO"]),
    ask(connection, ["CLUSTER", "SLOTS"]),
  ]);
  const view = { info: toClusterInfo(info), topology: toTopology(slots, connection.endpoint) };
  if (view.info === undefined || view.topology === undefined) {
    throw unavailable("the node said nothing of its cluster");
  }
  return { info: view.info, topology: view.topology };
}

function latestOf(views: readonly (View | undefined)[]): Topology | undefined {
  let best: View | undefined;
  for (const view of views) {
    if (view?.info.isOk && (best === undefined || view.info.epoch > best.info.epoch)) best = view;
  }
  return best?.topology;
}
