/**
 * The encoded frames of one stream that its connection has not taken yet: counts their bytes, for this stream, for its
 * connection and for the process, and tells the sender when to stop and when to go on.
 */
import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import type { StreamingCall } from "../calls/handler-call.ts";
import type { QueueBudget } from "../limits/quotas.ts";

/** What was full: the queue of the stream, the queues of the process, or the memory of the connection or the process. */
export type QueueBound = "connection" | "process" | "stream";

export interface SendQueue {
  /** False: a frame has to wait for `drained`. To be asked before a frame whose sender may have been idle for long. */
  ready(): boolean;
  /** False: over the high-water mark, wait for `drained`. The frame was taken nevertheless, unless the call is over. */
  send(frame: GrpcFrame): boolean;
  /** The call is over: its bytes are no longer counted. Call it once. */
  close(): void;
}

/**
 * `maxBytes`: the high-water mark of this stream; 0 lets one frame wait at a time, and so does a `budget` that is spent.
 * The memory of the connection may have no room even for that one. `drained`: called when the queue is down to half of its
 * high-water mark, and there is memory, after `ready` or `send` returned false. `overflowed`: called whenever it is full.
 */
export function createSendQueue(
  call: Pick<StreamingCall, "open" | "send" | "connectionMemory">,
  maxBytes: number,
  budget: QueueBudget,
  drained: () => void,
  overflowed: (bound: QueueBound) => void = () => {},
): SendQueue {
  const memory = call.connectionMemory;
  let queuedBytes = 0;
  let blocked = false;
  /** It is told when there is memory. */
  let waits = false;
  let closed = false;
  const add = (bytes: number) => {
    queuedBytes += bytes;
    budget.add(bytes);
    memory.addAnswer(bytes);
  };
  const writable = () =>
    (queuedBytes === 0 || (queuedBytes < maxBytes && !budget.spent)) && memory.admitsAnswer();
  const goOn = () => {
    if (!blocked || queuedBytes > maxBytes / 2) return;
    if (writable()) {
      blocked = false;
      drained();
    } else if (queuedBytes === 0) waitForMemory();
  };
  function waitForMemory(): void {
    if (waits) return;
    waits = true;
    memory.wait(() => {
      waits = false;
      if (!closed) goOn();
    });
  }
  const block = () => {
    blocked = true;
    overflowed(queuedBytes >= maxBytes ? "stream" : budget.spent ? "process" : "connection");
    // Otherwise a frame of its own is on its way, and goes on with the queue.
    if (queuedBytes === 0) waitForMemory();
  };
  return {
    ready() {
      if (!blocked && !writable()) block();
      return !blocked;
    },
    send(frame) {
      if (closed || !call.open) return false;
      add(frame.heldBytes);
      call.send(frame, (bytes) => {
        if (closed) return;
        add(-bytes);
        goOn();
      });
      if (!writable()) block();
      return !blocked;
    },
    close() {
      closed = true;
      add(-queuedBytes);
    },
  };
}
