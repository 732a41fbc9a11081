/**
 * Every call from its metadata to its status: its span, its deadlines, and its end when the peer neither
 * sends nor reads. One coarse sweep serves all calls, so that a call costs no timer of its own.
 */
import { constants } from "node:http2";
import { status } from "@grpc/grpc-js";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError, limitExceeded } from "../../common/errors.ts";
import { LinkedList } from "../../common/linked-list.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import type { ListedCall } from "./call-list.ts";
import type { CallSession } from "./http2-stream.ts";

/** How often deadlines are looked at, and how exact the times of calls are. */
const SWEEP_MS = 250;

/** Where calls are listed from their metadata to their end. */
export interface CallRegister {
  readonly receiveMaxBytes: number;
  nowMs(): number;
  /** False when the call was refused. */
  begin(call: ListedCall, header: HeaderReader): boolean;
  /** The call has its status and is over for its handler. */
  end(call: ListedCall, code: status): void;
}

/** Reads incoming metadata. */
export type HeaderReader = (name: string) => string | undefined;

export interface OpenCalls {
  readonly register: CallRegister;
  readonly size: number;
  /** Resolves when no call is open. */
  emptied(): Promise<void>;
  close(): void;
}

export function createOpenCalls(
  clock: Clock,
  telemetry: Telemetry,
  boundary: Boundary,
  limits: TransportLimits & { readonly receiveMaxBytes: number },
): OpenCalls {
  const calls = new LinkedList<ListedCall>();
  const streamsOf = new WeakMap<CallSession, number>();
  /** Connections that owe the answer to a ping. */
  const silent = new WeakSet<CallSession>();
  let nowMs = clock.nowMs();
  let onEmpty: (() => void) | undefined;
  let timer: Timer = clock.schedule(SWEEP_MS, boundary.guard(undefined, sweep));

  const register: CallRegister = {
    receiveMaxBytes: limits.receiveMaxBytes,
    nowMs: () => nowMs,
    begin(call, header) {
      call.startedMs = nowMs;
      call.span = telemetry.startCall(call.method.path.slice(1), header);
      calls.add(call);
      if (!call.streaming) return true;
      call.session = call.stream.session;
      const streams = countStream(call.session, 1);
      if (streams <= limits.connectionMaxSubscriptions) return true;
      call.refuse(limitExceeded("streams", String(limits.connectionMaxSubscriptions)));
      return false;
    },
    end(call, code) {
      if (!calls.delete(call)) return;
      call.span?.end(code);
      countStream(call.session, -1);
      if (calls.size === 0) onEmpty?.();
    },
  };

  function countStream(session: CallSession | undefined, change: 1 | -1): number {
    if (session === undefined) return 0;
    const count = (streamsOf.get(session) ?? 0) + change;
    streamsOf.set(session, count);
    return count;
  }

  function sweep(): void {
    nowMs = clock.nowMs();
    timer = clock.schedule(SWEEP_MS, boundary.guard(undefined, sweep));
    for (const call of calls) {
      try {
        judge(call);
      } catch (error) {
        boundary.caught(call.stream, error);
      }
    }
  }

  function judge(call: ListedCall): void {
    const stalledMs = call.sendingSinceMs === undefined ? 0 : nowMs - call.sendingSinceMs;
    if (stalledMs >= limits.stallMaxMs) {
      cut(call);
      return;
    }
    if (stalledMs >= limits.stallMaxMs / 2) probe(call.stream.session);
    if (call.answered) return;
    const ageMs = nowMs - call.startedMs;
    if (!call.halfClosed && !call.method.requestStream && ageMs >= limits.halfCloseMaxMs) {
      call.refuse(new CacheError("DEADLINE", "the request did not arrive whole in time"));
    } else if (nowMs >= call.deadlineMs || (!call.streaming && ageMs >= limits.callMaxMs)) {
      call.refuse(new CacheError("DEADLINE", "the call took longer than it may"));
    }
  }

  /**
   * Ends a call whose peer takes nothing. When its connection takes nothing either, what was already handed
   * to the connection is freed only with it.
   */
  function cut(call: ListedCall): void {
    const { stream } = call;
    register.end(call, status.CANCELLED);
    if (stream.session !== undefined && silent.has(stream.session)) stream.session.destroy();
    else if (stream.closed) stream.destroy();
    else stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  function probe(session: CallSession | undefined): void {
    if (session === undefined || session.destroyed || silent.has(session)) return;
    if (session.ping(boundary.guard(session, () => silent.delete(session)))) silent.add(session);
  }

  return {
    register,
    get size() {
      return calls.size;
    },
    emptied: () =>
      new Promise((resolve) => {
        onEmpty = resolve;
        if (calls.size === 0) resolve();
      }),
    close: () => timer.cancel(),
  };
}
