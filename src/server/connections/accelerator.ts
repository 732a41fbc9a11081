/** What the listener asks of an accelerator, and the one place that names the accelerator it has. */
import type { IncomingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import type { Clock } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { HandlerDeps } from "../calls/handler.ts";
import type { CallStream } from "../calls/http2-stream.ts";
import type { ServedMethod } from "../calls/methods.ts";
import type { CallRegister } from "../calls/registry.ts";
import { createAccelerator } from "../fast/accelerator.ts";
import type { FrameFloods } from "../limits/frame-guard.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";

/** Serves some calls and connections faster than grpc-js, with the same answers. Whatever it leaves, grpc-js serves. */
export interface Accelerator {
  /** True: it serves this call of a connection of node:http2. Its headers were validated. */
  takeCall(stream: CallStream, headers: IncomingHttpHeaders): boolean;
  /**
   * Serves this connection, of which `firstBytes` were read, and validates the headers of its calls itself. Undefined: it
   * leaves the connection, and the bytes are still to be served. `peer`: whose client certificate was verified.
   */
  takeConnection(
    socket: Socket,
    firstBytes: Buffer,
    peer: Principal | undefined,
  ): AcceleratedConnection | undefined;
}

export interface AcceleratedConnection {
  /** Tells the client to make no new call; without a call, ends the connection. */
  retire(): void;
}

/** "off": grpc-js serves every call. */
export const ACCELERATIONS = ["on", "off"] as const;
export type Acceleration = (typeof ACCELERATIONS)[number];

export interface AcceleratorDeps extends HandlerDeps {
  /** The methods whose calls it may take. */
  readonly methods: readonly ServedMethod[];
  readonly register: CallRegister;
  readonly transport: TransportLimits;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly floods: FrameFloods;
}

export function chooseAccelerator(
  acceleration: Acceleration,
  deps: AcceleratorDeps,
): Accelerator | undefined {
  return acceleration === "on" ? createAccelerator(deps) : undefined;
}
