/** An open call as the registry sees it. */
import type { CacheError } from "../../common/errors.ts";
import type { Linked } from "../../common/linked-list.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import type { CallSession, ListedStream } from "./http2-stream.ts";

/** An open call, whether grpc-js or the accelerator serves it. */
export interface ListedCall extends Linked<ListedCall> {
  readonly method: { readonly path: string; readonly requestStream: boolean };
  readonly streaming: boolean;
  readonly stream: ListedStream;
  /** When the call has to end with DEADLINE. Infinity: it has no deadline, or grpc-js watches it. */
  readonly deadlineMs: number;
  span: CallSpan | undefined;
  session: CallSession | undefined;
  startedMs: number;
  halfClosed: boolean;
  /** It has its status, which may still wait to be sent behind a message. */
  answered: boolean;
  /** Since when a message of the request has been arriving. Undefined: none is, or the call takes one request only. */
  readonly arrivingSinceMs: number | undefined;
  /** Of its connection, from its beginning on. */
  memory: ConnectionMemory | undefined;
  /** What it holds of that memory. */
  readonly heldBytes: number;
  /** Who it is of. Undefined: it needs no identity, or was refused for the lack of one. */
  principal: Principal | undefined;
  /** Since when a message waits for the peer to take it. Undefined: none waits. */
  sendingSinceMs: number | undefined;
  /** Counts anew what its request holds: bytes that come for a paused reader cause no event. */
  recount(): void;
  /** Ends it with this error. Its handler sees a cancelled call. */
  refuse(error: CacheError): void;
}
