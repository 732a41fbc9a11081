/**
 * The modelled cluster: groups of a primary and a replica. Nodes that cannot be reached are replaced by an election of the others,
 * as the specification of the cluster has it: not before the node timeout and half a second, and not before a node that lost its
 * majority has refused. https://valkey.io/topics/cluster-spec
 */

import type { Rng } from "../../../src/common/random.ts";
import { shardKeys, writeLayout } from "../../../src/tier/library/keys.ts";
import type { History } from "../history.ts";
import { between, chance } from "../plan.ts";
import { createProcess } from "../process.ts";
import type { VirtualTime } from "../virtual-time.ts";
import { ClusterView } from "./cluster-view.ts";
import { EngineNode, type NodeListener } from "./engine-node.ts";
import { EngineWires, type WireSettings } from "./engine-wires.ts";
import { type Command, Keyspace } from "./keyspace.ts";

export interface ClusterSettings extends WireSettings {
  readonly groups: number;
  readonly shards: number;
  readonly nodeTimeoutMs: number;
  readonly lagMs: number;
  readonly pushesFirst: boolean;
  /** Nodes write a snapshot so often. */
  readonly snapshotMs: number;
  /** From 0 to 1: how late a node finds out that it has no majority, within what its checks of its peers leave open. */
  readonly lateNotice: number;
  /** The shortest and the longest time until the outcome of an election is known to a node. */
  readonly newsMs: readonly [number, number];
  readonly seed: bigint;
}

const TICK_MS = 20;
const ELECTION_DELAY_MS = 500;
const ELECTION_SPREAD_MS = 500;
const FIRST_PORT = 7_001;

/** One node came in the place of another. */
export interface Election {
  readonly elected: string;
  readonly deposed: string;
  readonly epoch: number;
  readonly atMs: number;
}

interface Member {
  readonly node: EngineNode;
  /** Cut off from the other nodes, though not from the servers. */
  isIsolated: boolean;
  unreachableSinceMs: number | undefined;
  electAtMs: number;
  snapshot: { readonly data: Keyspace; readonly text: string | undefined } | undefined;
  /** What it has missed of its primary. */
  isBehind: boolean;
  pausedUntilMs: number;
}

interface Group {
  primary: Member;
  replica: Member;
}

export class EngineModel {
  readonly wires: EngineWires;
  readonly #time: VirtualTime;
  readonly #rng: Rng;
  readonly #history: History;
  readonly #settings: ClusterSettings;
  readonly #groups: Group[];
  /** Of the nodes that have a majority. */
  #view: ClusterView;
  /** Beside the usual. */
  extraLagMs = 0;
  readonly elections: Election[] = [];

  constructor(
    time: VirtualTime,
    rng: Rng,
    history: History,
    settings: ClusterSettings,
    listener: NodeListener,
  ) {
    this.#time = time;
    this.#rng = rng;
    this.#history = history;
    this.#settings = settings;
    const empty = new ClusterView(1, [], []);
    const member = (index: number): Member => {
      const name = `node${index + 1}`;
      const node = new EngineNode({
        name,
        port: FIRST_PORT + index,
        time,
        rng,
        listener,
        aheadMs: 0,
        pushesFirst: settings.pushesFirst,
        view: empty,
        process: () => createProcess(name, time, rng),
      });
      const state = { isIsolated: false, isBehind: false, electAtMs: 0, pausedUntilMs: -1 };
      return { node, ...state, unreachableSinceMs: undefined, snapshot: undefined };
    };
    this.#groups = Array.from({ length: settings.groups }, (_, index) => ({
      primary: member(index),
      replica: member(index + settings.groups),
    }));
    this.#view = this.#viewOf(1);
    for (const { node } of this.#members) {
      node.view = this.#view;
      node.epoch = 1;
      node.replicate = (commands) => this.#replicate(node, commands);
    }
    for (const { primary, replica } of this.#groups) {
      replica.node.replicationId = primary.node.replicationId;
    }
    const layout = writeLayout({ shards: settings.shards, seed: settings.seed }).toString("latin1");
    this.primaryOf(0).data.run(["SET", shardKeys(0).layout, layout]);
    this.#replicate(this.primaryOf(0), [["SET", shardKeys(0).layout, layout]]);
    this.wires = new EngineWires(time, rng, settings, (name) => this.#memberNamed(name).node);
    const tick = (): void => {
      this.#tick();
      time.at(time.nowMs() + TICK_MS, tick);
    };
    tick();
    const save = (): void => {
      for (const one of this.#members) if (one.node.isAlive && chance(rng, 0.5)) this.#save(one);
      time.at(time.nowMs() + settings.snapshotMs, save);
    };
    save();
  }

  get nodes(): readonly EngineNode[] {
    return this.#members.map(({ node }) => node);
  }

  get primaries(): readonly EngineNode[] {
    return this.#groups.map(({ primary }) => primary.node);
  }

  primaryOf(shard: number): EngineNode {
    return this.#view.ownerOf(shard);
  }

  /** It was replaced by an election, whatever it knows of it. */
  isDeposed(node: EngineNode): boolean {
    return !this.#view.isPrimary(node);
  }

  get majority(): number {
    return Math.floor(this.#groups.length / 2) + 1;
  }

  pause(node: EngineNode, durationMs: number): void {
    const member = this.#memberOf(node);
    node.process.pause(durationMs);
    member.pausedUntilMs = Math.max(member.pausedUntilMs, this.#time.nowMs() + durationMs);
  }

  isolate(node: EngineNode): void {
    this.#memberOf(node).isIsolated = true;
  }

  rejoin(node: EngineNode): void {
    this.#memberOf(node).isIsolated = false;
  }

  kill(node: EngineNode, silently: boolean): void {
    node.process.kill();
    this.wires.nodeEnded(node, silently);
  }

  /** With its last snapshot, or with nothing. */
  restart(node: EngineNode, withSnapshot: boolean): void {
    if (node.isAlive) return;
    const member = this.#memberOf(node);
    const { snapshot } = member;
    node.data.clear();
    node.library = undefined;
    node.restarted();
    // Until it has heard of the others, as after every start.
    node.isOk = false;
    member.unreachableSinceMs ??= this.#time.nowMs();
    member.pausedUntilMs = -1;
    member.isBehind = true;
    if (withSnapshot && snapshot !== undefined) {
      snapshot.data.copyTo(node.data);
      node.load(snapshot.text);
    }
    const other = this.#groupOf(member).primary === member ? this.#groupOf(member).replica : undefined;
    if (other !== undefined) other.isBehind = true;
    this.#history.note(node.name, "starts again");
  }

  /** The operator lets the replica take over: without loss. */
  switchOver(node: EngineNode): void {
    const group = this.#groupOf(this.#memberOf(node));
    if (!this.#canReach(group.primary) || !this.#canReach(group.replica) || group.replica.isBehind) return;
    group.primary.node.data.copyTo(group.replica.node.data);
    const former = group.primary.node;
    this.#elect(group, "takes over in order");
    // It has answered nobody since the replica has all, and knows why.
    this.#adopt(former);
  }

  flush(node: EngineNode): void {
    if (node === this.primaryOf(0)) return;
    node.data.clear();
    this.#memberOf(node).isBehind = true;
    this.#behind(node);
  }

  /** Everything can be reached again. */
  heal(): void {
    this.extraLagMs = 0;
    for (const member of this.#members) {
      member.isIsolated = false;
      member.node.isFull = false;
      member.node.lostPushes = 0;
      member.node.refusal = () => undefined;
      if (!member.node.isAlive) this.restart(member.node, true);
    }
  }

  get #members(): readonly Member[] {
    return this.#groups.flatMap(({ primary, replica }) => [primary, replica]);
  }

  #memberOf(node: EngineNode): Member {
    return this.#memberNamed(node.name);
  }

  #memberNamed(name: string): Member {
    const member = this.#members.find(({ node }) => node.name === name);
    if (member === undefined) throw new Error(`there is no node ${name}`);
    return member;
  }

  #groupOf(member: Member): Group {
    const group = this.#groups.find(({ primary, replica }) => primary === member || replica === member);
    if (group === undefined) throw new Error("a node of no group");
    return group;
  }

  #viewOf(epoch: number): ClusterView {
    const { shards, groups } = this.#settings;
    const groupOf = Array.from({ length: shards }, (_, shard) => {
      const group = this.#groups[shard % groups];
      if (group === undefined) throw new Error("there is no such group");
      return group;
    });
    const owners = groupOf.map(({ primary }) => primary.node);
    const replicas = groupOf.map(({ replica }) => replica.node);
    return new ClusterView(epoch, owners, replicas);
  }

  /** By the nodes that have a majority. */
  #canReach({ node, isIsolated, pausedUntilMs }: Member): boolean {
    return node.isAlive && !isIsolated && pausedUntilMs <= this.#time.nowMs();
  }

  #replicate(node: EngineNode, commands: readonly Command[]): void {
    const member = this.#memberOf(node);
    const group = this.#groupOf(member);
    if (group.primary !== member) return;
    const { replica } = group;
    if (replica.isBehind) return;
    if (member.isIsolated || replica.isIsolated || !replica.node.isAlive) {
      replica.isBehind = true;
      return;
    }
    const { process } = replica.node;
    const arrive = (): void => {
      if (group.primary !== member || replica.isBehind || !process.alive()) return;
      process.deliver(node, () => {
        if (group.primary === member && !replica.isBehind) replica.node.apply(commands);
      });
    };
    const lagMs = this.#settings.lagMs + this.extraLagMs;
    // In the order in which it was written: the lag only grows or all is behind.
    const atMs = Math.max(this.#arrivesMs.get(node) ?? 0, this.#time.nowMs() + lagMs);
    this.#arrivesMs.set(node, atMs);
    this.#time.at(atMs, arrive);
  }

  readonly #arrivesMs = new Map<EngineNode, number>();

  #behind(node: EngineNode): void {
    const { replica } = this.#groupOf(this.#memberOf(node));
    replica.isBehind = true;
  }

  #save(member: Member): void {
    const { node } = member;
    const data = new Keyspace(
      () => node.wallMs(),
      () => 0,
    );
    node.data.copyTo(data);
    member.snapshot = { data, text: node.library?.text };
  }

  #tick(): void {
    const nowMs = this.#time.nowMs();
    const { nodeTimeoutMs } = this.#settings;
    for (const member of this.#members) {
      if (this.#canReach(member)) this.#reached(member);
      else if (member.unreachableSinceMs === undefined) {
        member.unreachableSinceMs = nowMs;
        member.electAtMs =
          nowMs + nodeTimeoutMs + ELECTION_DELAY_MS + between(this.#rng, 0, ELECTION_SPREAD_MS);
      } else if (member.isIsolated && nowMs >= this.#noticesAtMs(member, member.unreachableSinceMs)) {
        // It runs, and so finds out by itself: a node that was paused does not.
        if (member.node.isAlive && member.pausedUntilMs <= nowMs) member.node.isOk = false;
      }
    }
    for (const group of this.#groups) {
      const { primary, replica } = group;
      if (primary.unreachableSinceMs === undefined || nowMs < primary.electAtMs) continue;
      const voters = this.#groups.filter((one) => this.#canReach(one.primary));
      if (voters.length < this.majority || !this.#canReach(replica)) continue;
      this.#elect(group, "is elected");
    }
    this.#resync();
  }

  /**
   * A peer has failed when a ping to it has had no answer for the node timeout, and is sent one when its last answer is half as old. A node
   * that wakes up sends the one that counts then, if none was under way.
   */
  #noticesAtMs({ pausedUntilMs }: Member, unreachableSinceMs: number): number {
    const { nodeTimeoutMs, lateNotice } = this.#settings;
    return Math.max(
      unreachableSinceMs + nodeTimeoutMs * (1 + lateNotice / 2),
      pausedUntilMs + nodeTimeoutMs * lateNotice,
    );
  }

  #reached(member: Member): void {
    const { node } = member;
    const isNews = member.unreachableSinceMs !== undefined;
    member.unreachableSinceMs = undefined;
    if (isNews) this.#tell(node);
  }

  #elect(group: Group, what: string): void {
    const { primary, replica } = group;
    group.primary = replica;
    group.replica = primary;
    replica.node.newReplicationId();
    primary.isBehind = true;
    const epoch = this.#view.epoch + 1;
    this.#view = this.#viewOf(epoch);
    const [elected, deposed] = [replica.node.name, primary.node.name];
    this.elections.push({ elected, deposed, epoch, atMs: this.#time.nowMs() });
    this.#history.note(replica.node.name, `${what} in the place of ${primary.node.name}, epoch ${epoch}`);
    this.#adopt(replica.node);
    for (const one of this.#members) {
      if (one === replica || !this.#canReach(one)) continue;
      // Who has voted knows the epoch. Which node won, it learns later.
      if (this.#groups.some((other) => other.primary === one)) one.node.epoch = epoch;
      this.#tell(one.node);
    }
  }

  #tell(node: EngineNode): void {
    this.#time.at(this.#time.nowMs() + between(this.#rng, ...this.#settings.newsMs), () => {
      node.process.deliver("bus", () => {
        if (this.#canReach(this.#memberOf(node))) this.#adopt(node);
      });
    });
  }

  #adopt(node: EngineNode): void {
    const former = node.view;
    node.view = this.#view;
    node.epoch = Math.max(node.epoch, this.#view.epoch);
    node.isOk = true;
    const isReplaced = former.isPrimary(node) && !this.#view.isPrimary(node);
    if (!isReplaced) return;
    this.#history.note(node.name, "is a replica now");
    former.owners.forEach((owner, shard) => {
      if (owner === node) node.unsubscribe(shard);
    });
  }

  /** Replicas that have missed something get all. */
  #resync(): void {
    for (const { primary, replica } of this.#groups) {
      if (!replica.isBehind || !this.#canReach(primary) || !this.#canReach(replica)) continue;
      if (this.#view.isPrimary(replica.node) || replica.node.view !== this.#view) continue;
      if (chance(this.#rng, 0.7)) continue;
      replica.isBehind = false;
      primary.node.data.copyTo(replica.node.data);
      replica.node.replicationId = primary.node.replicationId;
      // A part of the backlog leaves the memory of the library, a full copy wipes it.
      const text = primary.node.library?.text;
      if (replica.node.library?.text !== text || chance(this.#rng, 0.5)) replica.node.load(text);
    }
  }
}
