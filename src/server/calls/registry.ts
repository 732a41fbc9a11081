/**
 * The register of open calls, each from its metadata to its status: its span, its deadlines, and its end when the peer
 * neither sends nor reads. One sweep serves all calls, so that a call needs no timer of its own.
 */
import type { Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError, limitExceeded } from "../../common/errors.ts";
import { LinkedList } from "../../common/linked-list.ts";
import { type Rng, systemRng } from "../../common/random.ts";
import type { HeldMemory, Meter } from "../../security/access/meter.ts";
import type { Authenticator } from "../../security/identity/authenticator.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import { HeapReturn } from "../limits/heap-return.ts";
import { LoadHistory } from "../limits/load-history.ts";
import { observeSignals } from "../limits/load-signals.ts";
import { MemoryAccount } from "../limits/memory-account.ts";
import { MemoryReturn } from "../limits/memory-return.ts";
import { type LoadSignals, Overload } from "../limits/overload.ts";
import { createHeldTotal, type HeldTotal } from "../limits/quotas.ts";
import type { Reading } from "../limits/readers.ts";
import { Throughput } from "../limits/throughput.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { Turns } from "../limits/turns.ts";
import { JUDGE_WORK_BYTES, LEFT_CALL_WORK_BYTES, STREAM_WORK_BYTES } from "../limits/work.ts";
import type { ListedCall } from "./call-list.ts";
import { ConnectionList } from "./connection-list.ts";
import { CutAnswers } from "./cut-answers.ts";
import { EmptySignal } from "./empty-signal.ts";
import type { CallSession } from "./http2-stream.ts";
import { MemoryRelief } from "./memory-relief.ts";
import { PrincipalConnections } from "./principal-connections.ts";
import { StallGuard } from "./stall-guard.ts";

/** How often the deadlines of calls are checked, and how exact the times in the register are. */
const SWEEP_MS = 250;

/** Where whoever serves a call lists it, from its metadata to its end. */
export interface CallRegister {
  readonly receiveMaxBytes: number;
  nowMs(): number;
  /** A connection whose client certificate was verified begins. */
  connected(socket: Socket, peer: Principal): void;
  /** Lists a connection that may have calls, until its socket is closed. */
  opened(session: CallSession, socket: Socket): void;
  /** Starts the span. False: the call was refused, and has its status. */
  begin(call: ListedCall, header: HeaderReader): boolean;
  /** A connection, or its handshake, has brought what is work of so many bytes. */
  arrived(session: object, bytes: number): void;
  /** What a connection has brought waits behind answers that its peer does not take. Negative: it does no longer. */
  unread(session: CallSession, bytes: number): void;
  /** Ends a connection whose peer takes nothing, and counts it. */
  endStalled(session: CallSession): void;
  /** The socket still reads so many bytes of answers whose streams are over. Negative: it does no longer. */
  cutOff(session: CallSession, principal: HeldMemory | undefined, bytes: number): void;
  /**
   * Runs what begins or ends connections, which calls `spend`: now, if the turn has room. What waits for the same owner runs in its
   * order, and shares turns as a connection does.
   */
  inTurn(owner: object, run: () => void): void;
  /** Adds to the work of the turn. */
  spend(workBytes: number): void;
  /** The open streaming calls of a connection. */
  streamingCallsOf(session: CallSession): number;
  /** The unary calls of a connection that wait for their turn. */
  waitingCallsOf(session: CallSession): number;
  /**
   * The connection is read as turns let it. `expectedBytes`: of work, what it brings first; default: a turn's. Returns what is to be
   * called when it is closed.
   */
  boundReading(session: object, reading: Reading, expectedBytes?: number): () => void;
  /** The call has its status, and its handler is done. A second time does nothing. */
  end(call: ListedCall, code: status): void;
}

/** Reads a header of the request by its lower-case name. */
export type HeaderReader = (name: string) => string | undefined;

export interface OpenCalls {
  readonly register: CallRegister;
  readonly memory: MemoryAccount;
  /** How many full collections were asked for, to give memory back. */
  readonly collections: number;
  /** How many were ended, since their peers took nothing. */
  readonly stalledConnections: number;
  readonly overload: Overload;
  readonly throughput: Throughput;
  readonly load: LoadHistory;
  readonly connections: ConnectionList;
  readonly size: number;
  /** The open calls, the oldest first. */
  all(): Iterable<ListedCall>;
  /** Ends the calls whose certificate and token are not of the same principal any more, since the policy was replaced. */
  compareIdentities(): void;
  /** Resolves when no call is open. Any number may wait. */
  emptied(): Promise<void>;
  close(): void;
}

export function createOpenCalls(
  clock: Clock,
  telemetry: Telemetry,
  boundary: Boundary,
  limits: TransportLimits & { readonly receiveMaxBytes: number },
  held: HeldTotal = createHeldTotal(),
  authenticator?: Authenticator,
  rng: Rng = systemRng,
): OpenCalls {
  const turns = new Turns(limits.turnMaxBytes, clock, boundary);
  const memory = new MemoryAccount(limits, held, boundary, turns);
  const calls = new LinkedList<ListedCall>();
  const streamsOf = new WeakMap<CallSession, number>();
  const principals = new PrincipalConnections(clock, boundary);
  /** The streaming calls that are counted for their principals. */
  const meteredStreams = new Map<ListedCall, Meter>();
  const stalls = new StallGuard(limits.stallMaxMs, boundary);
  const cuts = new CutAnswers();
  const relief = new MemoryRelief(memory, stalls, cuts, Math.min(limits.stallMaxMs, limits.halfCloseMaxMs));
  const memoryReturn = new MemoryReturn();
  const heapReturn = new HeapReturn();
  const signals = observeSignals(memory, limits.residentMaxBytes);
  const load = new LoadHistory();
  const connections = new ConnectionList(boundary);
  const overload = new Overload(recorded(signals, load), limits, rng);
  let nowMs = clock.nowMs();
  const throughput = new Throughput(limits.shedDelayMs, nowMs);
  const empty = new EmptySignal();
  let timer: Timer = clock.schedule(SWEEP_MS, boundary.guard(undefined, sweep));
  /** The next call that the sweep looks at. Undefined: it has looked at all. */
  let next: ListedCall | undefined;
  /** Stands for the sweep among the connections that take turns. */
  const sweeper = {};

  const register: CallRegister = {
    receiveMaxBytes: limits.receiveMaxBytes,
    nowMs: () => nowMs,
    connected(socket, peer) {
      if (authenticator !== undefined) principals.begin(socket, authenticator.withAccess(peer));
    },
    opened: (session, socket) => connections.add(session, socket, clock.nowMs()),
    begin(call, header) {
      call.startedMs = nowMs;
      call.span = telemetry.startCall(call.method.path.slice(1), header);
      calls.add(call);
      const unknown = authenticator && identify(call, header, authenticator);
      const meter = call.principal?.access?.meter;
      call.memory = memory.of(call.stream.session, meter?.held);
      if (!call.streaming) call.memory.countOperations(1);
      if (call.stream.session?.countsStreams !== true) turns.arrived(call.memory, STREAM_WORK_BYTES);
      const refusal = unknown ?? (call.streaming ? beginStream(call, meter) : undefined);
      if (refusal === undefined) return true;
      call.refuse(refusal);
      return false;
    },
    arrived: (session, bytes) => memory.arrived(session, bytes),
    unread: (session, bytes) => memory.unread(session, bytes),
    endStalled: (session) => stalls.endConnection(session),
    cutOff: (session, principal, bytes) => cuts.add(session, principal, bytes, nowMs),
    inTurn(owner, run) {
      const line = memory.of(owner);
      if (turns.admits(line)) run();
      else turns.queue(line, run);
    },
    spend: (workBytes) => turns.spend(workBytes),
    waitingCallsOf: (session) => memory.waitingCallsOf(session),
    boundReading: (session, reading, expectedBytes) => memory.boundReading(session, reading, expectedBytes),
    streamingCallsOf: (session) => streamsOf.get(session) ?? 0,
    end(call, code) {
      if (call === next) next = call.newer;
      if (!calls.delete(call)) return;
      // A peer that goes may leave hundreds: then no other connection is looked at in this turn.
      if (!call.answered && call.memory !== undefined) turns.arrived(call.memory, LEFT_CALL_WORK_BYTES);
      if (!call.streaming) throughput.ended();
      call.span?.end(code);
      if (call.streaming) endStream(call);
      if (calls.size === 0) empty.reached();
    },
  };

  /** Undefined: the call is of a principal, or needs none. */
  function identify(call: ListedCall, header: HeaderReader, by: Authenticator): CacheError | undefined {
    const { session } = call.stream;
    const connection = session && connections.of(session);
    const found = by.authenticate(call.method.path, header("authorization"), session?.peer, connection);
    if (found instanceof CacheError) return found;
    const meter = found?.access?.meter;
    // The connection of a certificate was counted when it began.
    const isCounted = meter === undefined || session === undefined || session.peer !== undefined;
    const refusal = isCounted ? undefined : principals.refusalOf(session, meter);
    if (refusal === undefined) call.principal = found;
    return refusal;
  }

  function beginStream(call: ListedCall, meter: Meter | undefined): CacheError | undefined {
    call.session = call.stream.session;
    const { connectionMaxSubscriptions } = limits;
    if (countStream(call.session, 1) > connectionMaxSubscriptions)
      return limitExceeded("streams", String(connectionMaxSubscriptions));
    const refusal = meter?.open("streams");
    if (meter !== undefined && refusal === undefined) meteredStreams.set(call, meter);
    return refusal;
  }

  function endStream(call: ListedCall): void {
    countStream(call.session, -1);
    meteredStreams.get(call)?.close("streams");
    meteredStreams.delete(call);
  }

  function countStream(session: CallSession | undefined, change: 1 | -1): number {
    if (session === undefined) return 0;
    const count = (streamsOf.get(session) ?? 0) + change;
    streamsOf.set(session, count);
    return count;
  }

  function sweep(): void {
    nowMs = clock.nowMs();
    timer = clock.schedule(SWEEP_MS, boundary.guard(undefined, sweep));
    if (next === undefined) {
      next = calls.oldest;
      judgeAll();
    }
    for (const session of cuts.untaken(limits.stallMaxMs, nowMs)) stalls.endConnection(session);
    relief.cutExcess(calls, nowMs);
    // Other threads may have freed memory too.
    memory.retry();
    overload.check(nowMs);
    throughput.check(nowMs, memory.turns.oldestWaitMs(nowMs));
    memoryReturn.check(memory.total.bytes, nowMs);
    heapReturn.check(memory.operations, nowMs);
  }

  /** Thousands may have to end at once: it goes on in the next turn when this one is over. */
  function judgeAll(): void {
    while (next !== undefined) {
      if (turns.over) {
        turns.wait(sweeper, judgeAll);
        return;
      }
      const call = next;
      next = call.newer;
      turns.spend(JUDGE_WORK_BYTES);
      try {
        judge(call);
      } catch (error) {
        boundary.caught(call.stream, error);
      }
    }
  }

  function judge(call: ListedCall): void {
    if (stalls.isStalled(call, nowMs)) {
      register.end(call, status.CANCELLED);
      stalls.cut(call);
      return;
    }
    if (call.answered) return;
    if (call.streaming) call.recount();
    if (call.answered) return;
    const { principal } = call;
    const { session } = call.stream;
    const expiry =
      principal && authenticator?.expiryOf(principal, session?.peer, session && connections.of(session));
    if (expiry !== undefined) {
      call.refuse(expiry);
      return;
    }
    const ageMs = nowMs - call.startedMs;
    if (!call.halfClosed && !call.method.requestStream && ageMs >= limits.halfCloseMaxMs) {
      call.refuse(new CacheError("DEADLINE", "the request did not arrive whole in time"));
    } else if (call.arrivingSinceMs !== undefined && nowMs - call.arrivingSinceMs >= limits.halfCloseMaxMs) {
      call.refuse(new CacheError("DEADLINE", "a message did not arrive whole in time"));
    } else if (nowMs >= call.deadlineMs || (!call.streaming && ageMs >= limits.callMaxMs)) {
      call.refuse(new CacheError("DEADLINE", "the call took longer than it may"));
    }
  }

  return {
    register,
    memory,
    overload,
    throughput,
    load,
    connections,
    get collections() {
      return memoryReturn.collections + heapReturn.collections;
    },
    get stalledConnections() {
      return stalls.ended;
    },
    get size() {
      return calls.size;
    },
    all: () => calls,
    compareIdentities() {
      // To end one may end others.
      for (const call of [...calls]) {
        const { principal, stream, answered } = call;
        if (principal === undefined || answered) continue;
        const { session } = stream;
        const connection = session && connections.of(session);
        const difference = authenticator?.differenceOf(principal, session?.peer, connection);
        if (difference !== undefined) boundary.guard(stream, () => call.refuse(difference))();
      }
    },
    emptied: () => empty.wait(calls.size),
    close() {
      timer.cancel();
      signals.close();
    },
  };
}

/** The same signals, which leave the delays that are read in the history. */
function recorded(signals: LoadSignals, load: LoadHistory): LoadSignals {
  return {
    eventLoopDelayMs() {
      const delayMs = signals.eventLoopDelayMs();
      load.sample(delayMs);
      return delayMs;
    },
    oldestWaitMs: (nowMs, ofBusy) => signals.oldestWaitMs(nowMs, ofBusy),
    isBusy: (connection) => signals.isBusy(connection),
    heldShare: () => signals.heldShare(),
    residentShare: (nowMs) => signals.residentShare(nowMs),
  };
}
