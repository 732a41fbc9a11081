/** Who the person at the page is to the server, what they may do, and what runs there. */
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { DescribeCallerResponse, DescribeServerResponse } from "../../../gen/meshcache/v1/admin_pb.ts";
import type { Api } from "./api.ts";
import { createPoll, type Poll, type Schedule } from "./poll.ts";

export type Permission = "read" | "write" | "invalidate" | "subscribe" | "observe" | "inspect" | "admin";

export interface Session {
  readonly caller: Poll<DescribeCallerResponse>;
  readonly server: Poll<DescribeServerResponse>;
  /** What the page links a traceparent to. */
  readonly traceUrl: ReadonlySignal<string>;
  /** In at least one namespace: for which ones the server decides. True while it is not known. */
  may(permission: Permission): boolean;
  /** Why nothing that needs the permission can be changed from here. Undefined: something can. */
  readOnlyBecause(permission: Permission): string | undefined;
}

const INTERVAL_MS = 10_000;

export function createSession(api: Api, schedule: Schedule): Session {
  const caller = createPoll({
    read: (abort) => api.admin.describeCaller({}, { signal: abort }),
    intervalMs: INTERVAL_MS,
    schedule,
  });
  const server = createPoll({
    read: (abort) => api.admin.describeServer({}, { signal: abort }),
    intervalMs: INTERVAL_MS,
    schedule,
  });
  const may = (permission: Permission): boolean =>
    caller.answer.value?.permissionsSomewhere.includes(permission) ?? true;
  return {
    caller,
    server,
    may,
    traceUrl: computed(() => server.answer.value?.traceUrl ?? ""),
    readOnlyBecause(permission) {
      if (caller.answer.value?.readOnly)
        return "The console is read-only here. The server's setting consoleWrite allows more.";
      return may(permission) ? undefined : `Your identity does not have the permission “${permission}”.`;
    },
  };
}

/** The bearer token that the person gave to the page. It is forgotten with the tab. */
export function createToken(
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">,
): Signal<string | undefined> {
  const token = signal(storage.getItem(TOKEN_KEY) ?? undefined);
  token.subscribe((value) => {
    if (value === undefined) storage.removeItem(TOKEN_KEY);
    else storage.setItem(TOKEN_KEY, value);
  });
  return token;
}

const TOKEN_KEY = "meshcache-token";
