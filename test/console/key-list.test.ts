/** The keys that the page lists: pages of one size, bounded work, and nothing kept of what is refused. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import {
  CacheService,
  KeyInfoSchema,
  type ListKeysRequest,
  ListKeysResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { createApi } from "../../src/console/data/api.ts";
import { CALLS_MAX, createKeyList, PAGE_KEYS } from "../../src/console/data/key-list.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** `answer`: the keys of a page of the server, and where the next one begins. */
function setup(answer: (request: ListKeysRequest, call: number) => readonly [string[], string]) {
  const requests: ListKeysRequest[] = [];
  const transport = createRouterTransport(({ service }) => {
    service(CacheService, {
      listKeys(request) {
        requests.push(request);
        const [keys, next] = answer(request, requests.length);
        return create(ListKeysResponseSchema, {
          keys: keys.map((key) => create(KeyInfoSchema, { key, version: 1n })),
          nextPageToken: bytes(next),
        });
      },
    });
  });
  return { list: createKeyList(createApi(transport)), requests };
}

const named = (list: ReturnType<typeof setup>["list"]) => list.page.value?.keys.map(({ key }) => key);

describe("the list of keys", () => {
  it("makes one page of several nearly empty ones, and goes on after it", async () => {
    const { list, requests } = setup((_request, call) =>
      call < 4 ? [call === 2 ? [] : [`k${call}`], `after ${call}`] : [["k4"], ""],
    );
    await list.list("shop", "k");
    expect(named(list)).toEqual(["k1", "k3", "k4"]);
    expect(list.page.value).toMatchObject({ namespace: "shop", prefix: "k", number: 1 });
    expect(list.page.value?.next).toHaveLength(0);
    expect(requests.map(({ pageToken }) => new TextDecoder().decode(pageToken))).toEqual([
      "",
      "after 1",
      "after 2",
      "after 3",
    ]);
    await list.next();
    expect(requests).toHaveLength(4);
  });

  it("never asks for more than fit on its page, and lists a key once", async () => {
    const { list, requests } = setup(({ maxKeys }, call) => [
      Array.from({ length: Math.min(maxKeys, 60) }, (_, index) => `k${index + 50 * call}`),
      `after ${call}`,
    ]);
    await list.list("shop", "");
    expect(requests.map(({ maxKeys }) => maxKeys).slice(0, 2)).toEqual([PAGE_KEYS, PAGE_KEYS - 60]);
    expect(new Set(named(list)).size).toBe(PAGE_KEYS);
    expect(named(list)).toHaveLength(PAGE_KEYS);
    await list.next();
    expect(list.page.value?.number).toBe(2);
  });

  it("stops after some calls where there is nothing, and says where to go on", async () => {
    const { list, requests } = setup((_request, call) => [[], `after ${call}`]);
    await list.list("shop", "");
    expect(requests).toHaveLength(CALLS_MAX);
    expect(named(list)).toEqual([]);
    expect(list.page.value?.next).toEqual(bytes(`after ${CALLS_MAX}`));
  });

  it("keeps its keys while nobody answers, and drops them once they are refused", async () => {
    let code: Code | undefined;
    const { list } = setup(() => {
      if (code !== undefined) throw new ConnectError("no", code);
      return [["secret"], "more"];
    });
    await list.list("shop", "");
    code = Code.Unavailable;
    await list.next();
    expect(list.problem.value?.kind).toBe("unreachable");
    expect(named(list)).toContain("secret");
    code = Code.PermissionDenied;
    await list.next();
    expect(list.problem.value?.kind).toBe("denied");
    expect(list.page.value).toBeUndefined();
    expect(list.isBusy.value).toBe(false);
  });

  it("shows no keys of the namespace before while it reads another, nor those of a listing that was cleared", async () => {
    const { list } = setup(({ namespace }) => [[`of ${namespace}`], ""]);
    await list.list("shop", "");
    const other = list.list("users", "");
    expect(list.page.value).toBeUndefined();
    list.clear();
    await other;
    expect(list.page.value).toBeUndefined();
    expect(list.isBusy.value).toBe(false);
  });
});
