/** The peer's settings, pings and window updates, and their acknowledgements. Each method returns a fault of the peer, if any. */

import type { Buffer } from "node:buffer";
import type { Boundary } from "../common/boundary.ts";
import { NO_BUFFER } from "../common/bytes.ts";
import {
  connectionFault,
  errorCode,
  type Fault,
  flag,
  frame,
  frameType,
  readSettings,
  SETTINGS_MAX_BYTES,
  setting,
  streamFault,
  WINDOW_MAX_BYTES,
} from "./frame.ts";
import type { Taken } from "./frame-writer.ts";
import type { PeerWindows } from "./peer-windows.ts";

/** Acknowledgements that wait for the peer to take them. */
const ACKNOWLEDGEMENTS_MAX = 1_000;

const TOO_MANY_SETTINGS = connectionFault("settings with too many entries", errorCode.enhanceYourCalm);
const WRONG_SETTING = connectionFault("a setting out of its range", errorCode.protocolError);
const WRONG_INITIAL_WINDOW = connectionFault(
  "an initial window out of its range",
  errorCode.flowControlError,
);
const UNASKED_ACK = connectionFault("an acknowledgement of no settings", errorCode.protocolError);
const UNREAD = connectionFault("acknowledgements that the peer does not read", errorCode.enhanceYourCalm);
const NOTHING_ADDED = "a window update of 0";
const WINDOW_TOO_LARGE = "a window that is larger than it may be";

/** `taken`: the socket has it. */
type SendFrame = (bytes: Buffer, taken: Taken) => void;

export class ControlFrames {
  readonly #send: SendFrame;
  readonly #boundary: Boundary;
  readonly #windows: PeerWindows;
  #acknowledgements = 0;
  /** Settings that the peer has not acknowledged. */
  #settingsSent = 1;

  constructor(send: SendFrame, boundary: Boundary, windows: PeerWindows) {
    this.#send = send;
    this.#boundary = boundary;
    this.#windows = windows;
  }

  settings(body: Buffer): Fault | undefined {
    if (body.length > SETTINGS_MAX_BYTES) return TOO_MANY_SETTINGS;
    let fault: Fault | undefined;
    let windowBytes: number | undefined;
    readSettings(body, (name, value) => {
      fault ??= this.#setting(name, value);
      if (name === setting.initialWindowSize) windowBytes = value;
    });
    // The last one alone: each changes the windows of all streams.
    if (windowBytes !== undefined && !this.#windows.setInitialWindow(windowBytes))
      fault ??= WRONG_INITIAL_WINDOW;
    return fault ?? this.#acknowledge(frameType.settings, NO_BUFFER);
  }

  /** This side has sent settings once more. */
  settingsSent(): void {
    this.#settingsSent += 1;
  }

  settingsAcknowledged(): Fault | undefined {
    if (this.#settingsSent === 0) return UNASKED_ACK;
    this.#settingsSent -= 1;
    return undefined;
  }

  ping(body: Buffer): Fault | undefined {
    return this.#acknowledge(frameType.ping, body);
  }

  windowUpdate(streamId: number, body: Buffer): Fault | undefined {
    const faultOf = streamId === 0 ? connectionFault : streamFault;
    const bytes = body.readUInt32BE() & WINDOW_MAX_BYTES;
    if (bytes === 0) return faultOf(NOTHING_ADDED, errorCode.protocolError);
    if (!this.#windows.grow(streamId, bytes)) return faultOf(WINDOW_TOO_LARGE, errorCode.flowControlError);
    return undefined;
  }

  #setting(name: number, value: number): Fault | undefined {
    switch (name) {
      case setting.enablePush:
        return value <= 1 ? undefined : WRONG_SETTING;
      case setting.initialWindowSize:
        return value <= WINDOW_MAX_BYTES ? undefined : WRONG_INITIAL_WINDOW;
      case setting.maxFrameSize:
        return this.#windows.setFrameMax(value) ? undefined : WRONG_SETTING;
      default:
        return undefined;
    }
  }

  #acknowledge(type: number, body: Buffer): Fault | undefined {
    this.#acknowledgements += 1;
    if (this.#acknowledgements > ACKNOWLEDGEMENTS_MAX) return UNREAD;
    this.#send(
      frame(type, flag.ack, 0, body),
      this.#boundary.guard(undefined, () => {
        this.#acknowledgements -= 1;
      }),
    );
    return undefined;
  }
}
