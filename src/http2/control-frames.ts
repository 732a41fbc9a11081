/** The peer's settings, pings and window updates, and their acknowledgements. Each method returns a fault of the peer, if any. */

import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Boundary } from "../common/boundary.ts";
import { NO_BUFFER } from "../common/bytes.ts";
import type { DataSender } from "./data-sender.ts";
import {
  errorCode,
  type Fault,
  flag,
  frame,
  frameType,
  PING_BYTES,
  readSettings,
  SETTINGS_MAX_BYTES,
  setting,
  WINDOW_MAX_BYTES,
} from "./frame.ts";

/** Acknowledgements that wait for the peer to take them. */
const ACKNOWLEDGEMENTS_MAX = 1_000;

const MALFORMED_SETTINGS: Fault = { what: "malformed settings", code: errorCode.protocolError };
const MALFORMED_PING: Fault = { what: "a ping of another size", code: errorCode.frameSizeError };
const WINDOW_OUT_OF_RANGE: Fault = { what: "a window out of its range", code: errorCode.flowControlError };
const UNREAD: Fault = {
  what: "acknowledgements that the peer does not read",
  code: errorCode.enhanceYourCalm,
};

export class ControlFrames {
  readonly #socket: Socket;
  readonly #boundary: Boundary;
  readonly #sender: DataSender;
  #acknowledgements = 0;

  constructor(socket: Socket, boundary: Boundary, sender: DataSender) {
    this.#socket = socket;
    this.#boundary = boundary;
    this.#sender = sender;
  }

  settings(body: Buffer): Fault | undefined {
    let inRange = body.length <= SETTINGS_MAX_BYTES;
    const isRead =
      inRange &&
      readSettings(body, (name, value) => {
        if (name === setting.initialWindowSize) inRange &&= this.#sender.setInitialWindow(value);
        else if (name === setting.maxFrameSize) inRange &&= this.#sender.setFrameMax(value);
      });
    return isRead && inRange ? this.#acknowledge(frameType.settings, NO_BUFFER) : MALFORMED_SETTINGS;
  }

  ping(body: Buffer): Fault | undefined {
    return body.length === PING_BYTES ? this.#acknowledge(frameType.ping, body) : MALFORMED_PING;
  }

  windowUpdate(streamId: number, body: Buffer): Fault | undefined {
    const bytes = body.length === 4 ? body.readUInt32BE() & WINDOW_MAX_BYTES : 0;
    return bytes > 0 && this.#sender.grow(streamId, bytes) ? undefined : WINDOW_OUT_OF_RANGE;
  }

  #acknowledge(type: number, body: Buffer): Fault | undefined {
    this.#acknowledgements += 1;
    if (this.#acknowledgements > ACKNOWLEDGEMENTS_MAX) return UNREAD;
    this.#socket.write(
      frame(type, flag.ack, 0, body),
      this.#boundary.guard(this.#socket, () => {
        this.#acknowledgements -= 1;
      }),
    );
    return undefined;
  }
}
