/** An open call as the registry sees it. */
import type { CacheError } from "../../common/errors.ts";
import type { Linked } from "../../common/linked-list.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import type { CallSession, ListedStream } from "./http2-stream.ts";

/** An open call, whoever speaks its protocol. */
export interface ListedCall extends Linked<ListedCall> {
  readonly method: { readonly path: string; readonly requestStream: boolean };
  readonly streaming: boolean;
  readonly stream: ListedStream;
  /** When the caller wants no answer any more, where nobody else sees to that. */
  readonly deadlineMs: number;
  span: CallSpan | undefined;
  session: CallSession | undefined;
  startedMs: number;
  halfClosed: boolean;
  /** It has its status, which may still wait behind a message. */
  answered: boolean;
  /** Since when a message waits for the peer to take it. */
  sendingSinceMs: number | undefined;
  /** Gives it a status from outside its handler, which learns of it as of a cancelled call. */
  refuse(error: CacheError): void;
}
