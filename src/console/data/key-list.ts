/** The keys of a namespace in pages of one size, however few keys the server's own pages have. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { KeyInfo } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Api } from "./api.ts";
import { type Problem, toProblem } from "./problem.ts";

export const PAGE_KEYS = 100;
/** A page of the server looks at a thousand entries or so, of all namespaces. This bounds one click. */
export const CALLS_MAX = 50;

export interface KeyPage {
  readonly namespace: string;
  readonly prefix: string;
  /** 1: the first. */
  readonly number: number;
  /** Fewer than `PAGE_KEYS`, even none, where the entries of other namespaces are many. */
  readonly keys: readonly KeyInfo[];
  /** Where the next page begins. Empty: this is the last one. */
  readonly next: Uint8Array;
}

export interface KeyList {
  readonly page: ReadonlySignal<KeyPage | undefined>;
  /** Why the last page could not be had. Where the server refused it, no key stays. */
  readonly problem: ReadonlySignal<Problem | undefined>;
  readonly isBusy: ReadonlySignal<boolean>;
  /** Lists from the beginning. Ends a listing that is under way. */
  list(namespace: string, prefix: string): Promise<void>;
  /** Lists the page after this one, if there is one. */
  next(): Promise<void>;
  /** Forgets all keys, and ends a listing that is under way. */
  clear(): void;
}

export function createKeyList({ cache }: Pick<Api, "cache">): KeyList {
  const page = signal<KeyPage | undefined>();
  const problem = signal<Problem | undefined>();
  const isBusy = signal(false);
  let ending = new AbortController();

  async function collect(from: KeyPage, { signal: ended }: AbortController): Promise<KeyPage> {
    // With the engine on the heap a key may come twice.
    const keys = new Map<string, KeyInfo>();
    let pageToken = Uint8Array.from(from.next);
    for (let call = 0; call < CALLS_MAX && keys.size < PAGE_KEYS; call += 1) {
      const { namespace, prefix } = from;
      const maxKeys = PAGE_KEYS - keys.size;
      const answer = await cache.listKeys({ namespace, prefix, maxKeys, pageToken }, { signal: ended });
      for (const one of answer.keys) keys.set(one.key, one);
      pageToken = Uint8Array.from(answer.nextPageToken);
      if (pageToken.length === 0) break;
    }
    return { ...from, number: from.number + 1, keys: [...keys.values()], next: pageToken };
  }

  async function go(from: KeyPage): Promise<void> {
    ending.abort();
    const own = new AbortController();
    ending = own;
    isBusy.value = true;
    try {
      const found = await collect(from, own);
      if (own.signal.aborted) return;
      page.value = found;
      problem.value = undefined;
    } catch (cause) {
      if (own.signal.aborted) return;
      problem.value = toProblem(cause);
      // What cannot be reached may come back; what is refused is not to be seen any more.
      if (problem.value.kind !== "unreachable") page.value = undefined;
    } finally {
      if (ending === own) isBusy.value = false;
    }
  }

  return {
    page,
    problem,
    isBusy,
    list(namespace, prefix) {
      const { value } = page;
      if (value?.namespace !== namespace || value.prefix !== prefix) page.value = undefined;
      return go({ namespace, prefix, number: 0, keys: [], next: new Uint8Array() });
    },
    async next() {
      if (page.value !== undefined && page.value.next.length > 0) await go(page.value);
    },
    clear() {
      ending.abort();
      page.value = undefined;
      problem.value = undefined;
      isBusy.value = false;
    },
  };
}
