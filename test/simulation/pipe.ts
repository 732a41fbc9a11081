/**
 * One direction of one connection, as TCP behaves: frames arrive in order or not at all. What is held back
 * arrives late, what is cut off never does, and a full pipe tells its sender to wait.
 */
import type { SimulatedProcess } from "./process.ts";
import type { VirtualTime } from "./virtual-time.ts";

export interface PipeEnds<Frame> {
  receiver(): SimulatedProcess;
  sender(): SimulatedProcess;
  receive(frame: Frame): void;
  /** The receiver reads no further for now; `poke` makes it look again. */
  receiverWaits(): boolean;
  /** The sender may go on. */
  drained(): void;
  /** Every frame that will ever arrive has arrived. */
  finished(): void;
}

export interface PipeSettings {
  /** Frames under way before the sender is told to wait. */
  readonly highWaterFrames: number;
  latencyMs(): number;
  /** Several frames that have arrived may come in one turn of the event loop, as from one TCP segment. */
  readsTogether(): boolean;
  /** Nothing gets through now: a partition or a silent peer. */
  held(): boolean;
  /** How long the reader takes over a frame: more than 0 is a slow reader. */
  frameMs(): number;
}

export interface Pipe<Frame> {
  /** False: taken, but over the high-water mark. */
  send(frame: Frame): boolean;
  /** Frames may have become readable. */
  poke(): void;
  /** Only the first `survivors` frames of those under way arrive, and then the receiver learns of the end. */
  cut(survivors: number): void;
  /** Nothing arrives any more, not even the news of the end. */
  silence(): void;
}

/** How soon a receiver that reads no further is looked at again: it may have gone on without telling. */
const pollMs = 3;

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
      time.at(time.nowMs() + pollMs, () => {
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
