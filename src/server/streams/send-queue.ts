/**
 * The encoded frames of one stream that its connection has not taken yet: counts their bytes, for this stream and for the
 * process, and tells the sender when to stop and when to go on.
 */
import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import type { StreamingCall } from "../calls/handler-call.ts";
import type { QueueBudget } from "../limits/quotas.ts";

export interface SendQueue {
  /** False: over the high-water mark, wait for `drained`. The frame was taken nevertheless, unless the call is over. */
  send(frame: GrpcFrame): boolean;
  /** The call is over: its bytes are no longer counted. Call it once. */
  close(): void;
}

/**
 * `maxBytes`: the high-water mark of this stream; 0 lets one frame wait at a time, and so does a `budget` that is spent.
 * `drained`: called when the queue is down to half of its high-water mark after `send` returned false.
 */
export function createSendQueue(
  call: Pick<StreamingCall, "open" | "send">,
  maxBytes: number,
  budget: QueueBudget,
  drained: () => void,
): SendQueue {
  let queuedBytes = 0;
  let blocked = false;
  let closed = false;
  const writable = () => queuedBytes === 0 || (queuedBytes < maxBytes && !budget.spent);
  const taken = (bytes: number) => {
    if (closed) return;
    queuedBytes -= bytes;
    budget.add(-bytes);
    if (blocked && queuedBytes <= maxBytes / 2 && writable()) {
      blocked = false;
      drained();
    }
  };
  return {
    send(frame) {
      if (closed || !call.open) return false;
      const { heldBytes } = frame;
      queuedBytes += heldBytes;
      budget.add(heldBytes);
      call.send(frame, taken);
      blocked = !writable();
      return !blocked;
    },
    close() {
      closed = true;
      budget.add(-queuedBytes);
    },
  };
}
