/** What a worker thread is given when it starts, and the messages between it and the main thread. */
import type { Limits } from "../../rpc/limits.ts";
import type { SecurityMemory, SecurityOptions } from "../../security/security.ts";
import type { SnapshotOutcome } from "../../store/api/snapshot-outcome.ts";
import type { StoreMemory } from "../../store/engine/create-store.ts";
import type { Acceleration } from "../connections/accelerator.ts";
import type { HttpPortOptions } from "../http-port.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import type { ServerFacts } from "../services/admin-service.ts";
import type { PeerPorts } from "./thread-ports.ts";

export interface ThreadData<Extra = unknown> {
  /** Workers are numbered from 0; the main thread has the number after the last worker's. */
  readonly thread: number;
  readonly store: StoreMemory;
  readonly peers: PeerPorts;
  /** The memory of the bounds that all servers of the process share. */
  readonly bounds: SharedArrayBuffer;
  /** What they share of security. */
  readonly securityMemory: SecurityMemory;
  readonly limits: Limits;
  readonly transport: TransportLimits;
  readonly acceleration: Acceleration;
  readonly security: SecurityOptions;
  /** What the store began with. */
  readonly snapshot: SnapshotOutcome | undefined;
  /** When the process began to serve, by the system clock. */
  readonly startedMs: number;
  /** How many threads serve calls. */
  readonly workers: number;
  /** The name of the channel on which the threads ask one another. */
  readonly inquiryChannel: string;
  readonly facts: ServerFacts;
  /** What the entry module of the thread needs beyond that. */
  readonly extra: Extra;
}

/** From the main thread, each kind once, in this order. The worker reports when it has carried one out. */
export type Order =
  | { readonly kind: "listen"; readonly listen: string; readonly http: HttpPortOptions | undefined }
  | { readonly kind: "drain" }
  | { readonly kind: "end" };

/** From a worker. */
export type Report =
  /** Its modules are loaded and its store is attached. */
  | { readonly kind: "ready" }
  | { readonly kind: "listening"; readonly address: string; readonly httpAddress: string | undefined }
  /** It cannot listen. An Error would lose its code in structured clone. */
  | {
      readonly kind: "refused";
      readonly port: "listen" | "http";
      readonly code: string;
      readonly message: string;
    }
  | { readonly kind: "drained" }
  | { readonly kind: "ended" };
