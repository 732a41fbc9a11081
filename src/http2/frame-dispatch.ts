/**
 * Takes the frames of a connection other than DATA, with a single stream and with many alike: holds each to the rules and to
 * what its peer may send, and passes on what it does.
 */
import type { Buffer } from "node:buffer";
import type { ControlFrames } from "./control-frames.ts";
import { DEPENDS_ON_ITSELF, FLOOD, NOT_CONTINUED } from "./faults.ts";
import { type Fault, type FrameKind, flag, frameType } from "./frame.ts";
import type { FrameHead } from "./frame-parser.ts";
import { frameFault, type StreamStage } from "./frame-rules.ts";
import { dependsOn, type HeaderBlock, type HeaderBlockState } from "./header-block.ts";
import type { HeaderField } from "./hpack.ts";
import type { WindowUpdateBudget } from "./window-update-budget.ts";

/** Told of what the peer does beside its streams. */
export interface PeerHandlers {
  /** The peer ends the connection, and takes no stream above `lastStreamId`. */
  goesAway(lastStreamId: number): void;
  /** A frame of this kind has come and carries nothing of a stream. False: one too many. */
  admits(kind: FrameKind): boolean;
  /** False: no ping with this body waits for its answer. */
  pingAnswered(body: Buffer): boolean;
}

/** What the frames do to their connection and to its streams. */
export interface FrameTarget {
  /** Why headers may not begin on this stream now. */
  headersFault(streamId: number): Fault | undefined;
  /** Headers or trailers have come as a whole. */
  headers(streamId: number, fields: readonly HeaderField[], isLast: boolean): void;
  /** Some have come that are not taken. */
  headersFailed(streamId: number, fault: Fault): void;
  reset(streamId: number, code: number): void;
  /** Settings have come, and hold from now on. */
  settings(): void;
  /** The peer has acknowledged settings. */
  settled(): void;
  /** The windows of the peer may have grown. */
  roomGrew(): void;
  /** Stream 0: the connection's. */
  fault(streamId: number, fault: Fault): void;
}

export class FrameDispatch {
  readonly #headerBlock: HeaderBlock;
  readonly #control: ControlFrames;
  readonly #updates: WindowUpdateBudget;
  readonly #handlers: PeerHandlers;
  readonly #target: FrameTarget;

  constructor(
    headerBlock: HeaderBlock,
    control: ControlFrames,
    updates: WindowUpdateBudget,
    handlers: PeerHandlers,
    target: FrameTarget,
  ) {
    this.#headerBlock = headerBlock;
    this.#control = control;
    this.#updates = updates;
    this.#handlers = handlers;
    this.#target = target;
  }

  /** `stage`: of its stream. */
  take(head: FrameHead, stage: StreamStage, body: Buffer): void {
    const fault = this.faultOf(head, stage);
    if (fault === undefined) this.#takeRight(head, body);
    else this.#target.fault(head.streamId, fault);
  }

  /** What is wrong with the head of any frame. */
  faultOf(head: FrameHead, stage: StreamStage): Fault | undefined {
    const block = this.#headerBlock;
    if (!block.continues) return frameFault(head, stage);
    const goesOn = head.type === frameType.continuation && head.streamId === block.streamId;
    return goesOn ? undefined : NOT_CONTINUED;
  }

  /** False: there are too many frames of this kind, and the connection ends. */
  admit(kind: FrameKind): boolean {
    if (this.#handlers.admits(kind)) return true;
    this.#target.fault(0, FLOOD);
    return false;
  }

  /** Its stream and its length are right. */
  #takeRight(head: FrameHead, body: Buffer): void {
    switch (head.type) {
      case frameType.headers:
        this.#takeHeaders(head, body);
        break;
      case frameType.continuation:
        this.#takeBlock(this.#headerBlock.continue(head, body));
        break;
      case frameType.settings:
        this.#takeSettings(head, body);
        break;
      case frameType.ping:
        this.#takePing(head, body);
        break;
      case frameType.windowUpdate:
        this.#takeWindowUpdate(head, body);
        break;
      case frameType.resetStream:
        this.#target.reset(head.streamId, body.readUInt32BE());
        break;
      case frameType.goAway:
        if (this.admit("go_away")) this.#handlers.goesAway(body.readUInt32BE() & 0x7fff_ffff);
        break;
      case frameType.priority:
        this.#takePriority(head, body);
        break;
      default:
        // Frames that this version of the protocol does not know change nothing.
        this.admit("unknown");
    }
  }

  #takeHeaders(head: FrameHead, body: Buffer): void {
    const fault = this.#target.headersFault(head.streamId);
    if (fault === undefined) this.#takeBlock(this.#headerBlock.begin(head, body));
    else this.#target.fault(head.streamId, fault);
  }

  #takeBlock(state: HeaderBlockState): void {
    const { streamId } = this.#headerBlock;
    switch (state.kind) {
      case "whole":
        this.#target.headers(streamId, state.fields, state.isLast);
        break;
      case "fault":
        this.#target.headersFailed(streamId, state.fault);
        break;
      case "flood":
        this.#handlers.admits("continuation");
        this.#target.fault(0, FLOOD);
        break;
      default:
      // The next frame continues it.
    }
  }

  #takeSettings({ flags }: FrameHead, body: Buffer): void {
    if ((flags & flag.ack) !== 0) {
      const fault = this.#control.settingsAcknowledged();
      if (fault === undefined) this.#target.settled();
      else this.#target.fault(0, fault);
    } else if (this.admit("settings")) {
      this.#target.settings();
      this.#takeRoom(0, this.#control.settings(body));
    }
  }

  /** RFC 9113 does not forbid answers to no ping: they are counted, and change nothing. */
  #takePing({ flags }: FrameHead, body: Buffer): void {
    if ((flags & flag.ack) !== 0) {
      if (!this.#handlers.pingAnswered(body)) this.admit("ping_answer");
    } else if (this.admit("ping")) {
      const fault = this.#control.ping(body);
      if (fault !== undefined) this.#target.fault(0, fault);
    }
  }

  #takeWindowUpdate({ streamId }: FrameHead, body: Buffer): void {
    if (!(this.#updates.take() || this.admit("window_update"))) return;
    this.#takeRoom(streamId, this.#control.windowUpdate(streamId, body));
  }

  /** After a frame that may have made room. */
  #takeRoom(streamId: number, fault: Fault | undefined): void {
    if (fault === undefined) this.#target.roomGrew();
    else this.#target.fault(streamId, fault);
  }

  /** Streams take turns whatever their priorities. */
  #takePriority({ streamId }: FrameHead, body: Buffer): void {
    if (this.admit("priority") && dependsOn(body, streamId)) this.#target.fault(streamId, DEPENDS_ON_ITSELF);
  }
}
