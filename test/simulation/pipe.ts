/**
 * One direction of one connection, with the behaviour of TCP: frames arrive in order or not at all. A blocked pipe
 * delivers late, a cut pipe never, and a full pipe tells its sender to wait.
 */
import type { SimulatedProcess } from "./process.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface PipeEnds<Frame> {
  receiver(): SimulatedProcess;
  sender(): SimulatedProcess;
  receive(frame: Frame): void;
  /** The receiver does not read now. `poke` checks it again. */
  receiverWaits(): boolean;
  /** The sender may continue. */
  drained(): void;
  /** Every frame that will ever arrive has arrived. */
  finished(): void;
}

export interface PipeSettings {
  /** Frames under way before the sender is told to wait. */
  readonly highWaterFrames: number;
  latencyMs(): number;
  /** Several frames may be delivered in one turn of the event loop, as from one TCP segment. */
  readsTogether(): boolean;
  /** Nothing arrives now: a partition or a silent peer. */
  held(): boolean;
  /** How long the reader needs for a frame. Above 0: a slow reader. */
  frameMs(): number;
}

export interface Pipe<Frame> {
  /** False: the frame was accepted, and the pipe is over its high-water mark. */
  send(frame: Frame): boolean;
  /** Checks again whether frames can be delivered. */
  poke(): void;
  /** Only the first `survivors` of the frames under way arrive. Then the receiver learns of the end. */
  cut(survivors: number): void;
  /** Nothing arrives any more, not even the end. */
  silence(): void;
}

/** The interval at which a receiver that does not read is checked again: it may have resumed without a signal. */
const POLL_MS = 3;

export function createPipe<Frame>(
  time: VirtualTime,
  settings: PipeSettings,
  ends: PipeEnds<Frame>,
): Pipe<Frame> {
  const queue: { readonly frame: Frame; readonly arrivesAtMs: number }[] = [];
  const lane = {};
  let lastArrivalMs = 0;
  let readableAtMs = 0;
  let senderWaits = false;
  let polling = false;
  let state: "open" | "cut" | "finished" | "silent" = "open";

  const readable = (): boolean => {
    const first = queue[0];
    return (
      first !== undefined &&
      first.arrivesAtMs <= time.nowMs() &&
      readableAtMs <= time.nowMs() &&
      state !== "silent" &&
      !settings.held() &&
      !ends.receiverWaits()
    );
  };

  function read(): void {
    const together = settings.readsTogether();
    while (readable()) {
      const next = queue.shift();
      if (next === undefined) break;
      const frameMs = settings.frameMs();
      readableAtMs = time.nowMs() + frameMs;
      ends.receive(next.frame);
      if (!together || frameMs > 0) break;
    }
    if (senderWaits && queue.length * 2 <= settings.highWaterFrames) {
      senderWaits = false;
      ends.sender().deliver(lane, ends.drained);
    }
    const first = queue[0];
    if (first !== undefined) time.at(Math.max(readableAtMs, first.arrivesAtMs), poke);
    else finishIfEmpty();
  }

  function poke(): void {
    if (readable()) ends.receiver().deliver(lane, read);
    else if (queue.length > 0 && !polling && ends.receiverWaits()) {
      polling = true;
      time.at(time.nowMs() + POLL_MS, () => {
        polling = false;
        poke();
      });
    }
  }

  function finishIfEmpty(): void {
    if (state !== "cut" || queue.length > 0) return;
    state = "finished";
    time.at(Math.max(lastArrivalMs, time.nowMs() + settings.latencyMs()), () =>
      ends.receiver().deliver(lane, ends.finished),
    );
  }

  return {
    send(frame) {
      if (state === "cut" || state === "finished") return true;
      lastArrivalMs = Math.max(lastArrivalMs, time.nowMs() + settings.latencyMs());
      queue.push({ frame, arrivesAtMs: lastArrivalMs });
      time.at(lastArrivalMs, poke);
      senderWaits ||= queue.length >= settings.highWaterFrames;
      return !senderWaits;
    },
    poke,
    cut(survivors) {
      if (state !== "open" && state !== "silent") return;
      if (state === "silent" || settings.held()) queue.length = 0;
      state = "cut";
      queue.length = Math.min(queue.length, survivors);
      finishIfEmpty();
    },
    silence() {
      if (state === "open") state = "silent";
    },
  };
}
