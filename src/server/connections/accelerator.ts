/** What the listener asks of an accelerator, and the one place that names the accelerator it has. */
import type { Socket } from "node:net";
import type { Clock } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { HandlerDeps } from "../calls/handler.ts";
import type { CallSession } from "../calls/http2-stream.ts";
import type { ServedMethod } from "../calls/methods.ts";
import type { CallRegister } from "../calls/registry.ts";
import { createAccelerator } from "../fast/accelerator.ts";
import type { ServeStream } from "../grpc-js/internals.ts";
import type { FrameFloods } from "../limits/frame-guard.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import type { StreamBounds } from "./stream-bounds.ts";

/** Serves connections faster than node:http2, and frequent calls faster than grpc-js, with the same answers. */
export interface Accelerator {
  /**
   * Serves this connection, of which `firstBytes` were read, and validates the headers of its calls. `peer`: whose client
   * certificate was verified.
   */
  serve(socket: Socket, firstBytes: Buffer, peer: Principal | undefined): AcceleratedConnection;
}

export interface AcceleratedConnection extends CallSession {
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

interface ChosenDeps extends AcceleratorDeps {
  readonly streamBounds: StreamBounds;
  readonly serveByGrpcJs: ServeStream;
}

export function chooseAccelerator(acceleration: Acceleration, deps: ChosenDeps): Accelerator | undefined {
  return acceleration === "on" ? createAccelerator(deps) : undefined;
}
