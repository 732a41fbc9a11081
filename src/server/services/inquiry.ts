/**
 * Questions about what the threads of a process do, which each answers for itself. The answers are plain messages, since they
 * may come from other threads.
 */
import { toBinary } from "@bufbuild/protobuf";
import {
  type CallStats,
  type ClientInfo,
  ClientInfoSchema,
  type WorkerStats,
} from "../../../gen/meshcache/v1/admin_pb.ts";
import type { Pending } from "../../store/api/backend.ts";

export type ClientsFirst = "connected" | "operations" | "lag";

export type Question =
  | { readonly kind: "activity" }
  | {
      readonly kind: "clients";
      readonly first: ClientsFirst;
      readonly most: number;
      /** With "connected": those with greater ids alone. */
      readonly afterId: bigint;
    };

export interface ActivityAnswer {
  readonly kind: "activity";
  readonly worker: WorkerStats;
  readonly calls: readonly CallStats[];
}

export interface ClientsAnswer {
  readonly kind: "clients";
  /** Those that come first here. */
  readonly clients: readonly ClientInfo[];
  /** All that there are here. */
  readonly total: number;
}

export type Answer = ActivityAnswer | ClientsAnswer;

/** What one thread answers. */
export type Respond = (question: Question) => Answer;

/** Asks all threads that serve calls. */
export interface Inquiry {
  /**
   * Calls `done` with the answers that came in time, and how many did not. Returns undefined when it was
   * called at once.
   */
  ask(question: Question, done: (answers: readonly Answer[], silent: number) => void): Pending | undefined;
}

/** Of a server that is alone. */
export function askOne(respond: Respond): Inquiry {
  return {
    ask(question, done) {
      done([respond(question)], 0);
      return undefined;
    },
  };
}

const CLIENTS_MAX_BYTES = 1024 * 1024;

/** The first of them as messages, as many as an answer has room for, and at least one. */
export function takeFitting<Item>(items: readonly Item[], toInfo: (item: Item) => ClientInfo): ClientInfo[] {
  const taken: ClientInfo[] = [];
  let bytes = 0;
  for (const item of items) {
    const info = toInfo(item);
    bytes += toBinary(ClientInfoSchema, info).length;
    if (bytes > CLIENTS_MAX_BYTES && taken.length > 0) break;
    taken.push(info);
  }
  return taken;
}
