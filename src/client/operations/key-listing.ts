/** Lists the keys of one namespace, page by page, as they are asked for. */
import { NO_BYTES } from "../../common/bytes.ts";
import { checkPrefix, checkSignal, wholeOption } from "../api/checks.ts";
import { optionNames } from "../api/option-names.ts";
import type { KeyFacts } from "../api/results.ts";
import { expectReply, malformed } from "../messages/replies.ts";
import { listKeysOperation } from "../messages/requests.ts";
import type { NamespaceContext } from "./namespace-context.ts";
import type { CallOptions } from "./runner.ts";

export interface KeysOptions extends CallOptions {
  /** What the keys begin with. Default: all keys. */
  readonly prefix?: string;
  /** Keys that the server is asked for at a time: 1 to 1,000. Default 500. */
  readonly pageKeys?: number;
}

export const KEYS_OPTIONS = optionNames<KeysOptions>({
  deadlineMs: true,
  signal: true,
  prefix: true,
  pageKeys: true,
});

const PAGE_KEYS = 500;
const PAGE_MAX_KEYS = 1_000;

/** `refuseIfClosed` is called before each page. The options are read before this returns. */
export function listKeys<Value>(
  { namespace, runner }: NamespaceContext<Value>,
  given: KeysOptions,
  refuseIfClosed: () => void,
): AsyncGenerator<KeyFacts, void, undefined> {
  const prefix = given.prefix === undefined ? "" : checkPrefix(given.prefix, runner.limits);
  const pageKeys = wholeOption("pageKeys", given.pageKeys, PAGE_KEYS, 1, PAGE_MAX_KEYS);
  checkSignal(given.signal);
  // Refused now, and not with the first page.
  runner.deadlineAtMs(given);
  const pageOf = (token: Uint8Array) =>
    runner.run({
      options: given,
      name: "ListKeys",
      namespace,
      operation: listKeysOperation(prefix, pageKeys, token),
      retry: "anyEpoch",
      read: (reply) => expectReply(reply, "listKeys"),
    });
  return (async function* pages() {
    let token: Uint8Array = NO_BYTES;
    do {
      refuseIfClosed();
      const page = await pageOf(token);
      const epoch = page.stamps[0]?.epoch;
      if (epoch === undefined) throw malformed();
      for (const info of page.keys) {
        yield {
          key: info.key,
          version: { epoch, revision: Number(info.version) },
          valueBytes: Number(info.valueBytes),
          ttlRemainingMs:
            info.stale || info.ttlRemainingMs > 0n ? Number(info.ttlRemainingMs) : Number.POSITIVE_INFINITY,
          stale: info.stale,
          absent: info.absent,
        };
      }
      token = page.nextPageToken.slice();
    } while (token.length > 0);
  })();
}
