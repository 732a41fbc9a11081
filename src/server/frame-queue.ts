/**
 * Encoded frames on their way to one peer: counts the memory of those that grpc-js has not yet handed on, of this
 * stream and of all, and says when to stop and when to go on.
 */
import type { Writable } from "node:stream";
import type { GrpcFrame } from "../wire/grpc-frame.ts";

/** Bytes that wait on all streams of the process. */
export interface QueueBudget {
  /** As many bytes wait as may. */
  readonly spent: boolean;
  /** Negative for those that have gone. */
  add(bytes: number): void;
}

export interface FrameQueue {
  /** False: over the high-water mark, wait for `drained`. The frame is taken all the same. */
  send(frame: GrpcFrame): boolean;
}

/**
 * `drained` is called when frames are taken again. With the common budget used up a stream still gets one
 * frame at a time.
 */
export function createFrameQueue(
  stream: Writable,
  maxBytes: number,
  budget: QueueBudget,
  drained: () => void,
): FrameQueue {
  let queuedBytes = 0;
  let blocked = false;
  const writable = () => queuedBytes === 0 || (queuedBytes < maxBytes && !budget.spent);
  const taken = (bytes: number) => {
    queuedBytes -= bytes;
    budget.add(-bytes);
    if (blocked && queuedBytes <= maxBytes / 2 && writable()) {
      blocked = false;
      drained();
    }
  };
  // What a cut stream leaves behind is gone with it.
  stream.once("close", () => {
    budget.add(-queuedBytes);
    queuedBytes = 0;
  });
  return {
    send(frame) {
      if (stream.destroyed || stream.writableEnded) return false;
      const { heldBytes } = frame;
      queuedBytes += heldBytes;
      budget.add(heldBytes);
      stream.write(frame, (error) => {
        if (error) return;
        frame.release();
        if (queuedBytes > 0) taken(heldBytes);
      });
      blocked = !writable();
      return !blocked;
    },
  };
}
