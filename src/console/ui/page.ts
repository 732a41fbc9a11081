/** What all views share: the calls, who is at the page, what the views hand to each other. */
import { type Signal, signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Api } from "../data/api.ts";
import { createKeyList, type KeyList } from "../data/key-list.ts";
import { createLiveEvents, type LiveEvents } from "../data/live-events.ts";
import { createOverviewFeed, type OverviewFeed } from "../data/overview-feed.ts";
import type { Schedule } from "../data/poll.ts";
import { createSession, type Session } from "../data/session.ts";

export interface Page {
  readonly api: Api;
  readonly session: Session;
  readonly overview: OverviewFeed;
  readonly events: LiveEvents;
  readonly keys: KeyList;
  readonly token: Signal<string | undefined>;
  /** The namespace that the person looks at, in all views. */
  readonly namespace: Signal<string>;
  /** The key to look up. It is not in the address of the page: addresses are kept and shared. */
  readonly key: Signal<string>;
  readonly schedule: Schedule;
  readonly nowMs: () => number;
  /** A random number of 64 bits, for a change that may be asked for twice. */
  readonly newRequestId: () => bigint;
}

export type PageParts = Pick<Page, "api" | "token" | "schedule" | "nowMs" | "newRequestId">;

export function createPage(parts: PageParts): Page {
  const { api, schedule, nowMs } = parts;
  const keys = createKeyList(api);
  const key = signal("");
  // Who comes next is not shown what the one before could see.
  parts.token.subscribe(() => {
    keys.clear();
    key.value = "";
  });
  return {
    ...parts,
    session: createSession(api, schedule),
    overview: createOverviewFeed(api, schedule, nowMs),
    events: createLiveEvents(api, schedule, nowMs),
    keys,
    namespace: signal("default"),
    key,
  };
}

export const PageContext = createContext<Page | undefined>(undefined);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === undefined) throw new Error("a view is outside of the page");
  return page;
}
