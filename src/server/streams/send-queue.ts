/**
 * Encoded frames on their way to one peer: counts the memory of those that its connection has not yet taken, of this
 * stream and of all, and says when to stop and when to go on.
 */
import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import type { StreamingCall } from "../calls/handler-call.ts";
import type { QueueBudget } from "../limits/quotas.ts";

export interface SendQueue {
  /** False: over the high-water mark, wait for `drained`. The frame is taken all the same. */
  send(frame: GrpcFrame): boolean;
  /** The call is gone, and what it left behind with it. Once. */
  close(): void;
}

/**
 * `drained` is called when frames are taken again. With the common budget used up a stream still gets one
 * frame at a time.
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
