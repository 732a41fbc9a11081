/** Each view of the console under traffic, wide and narrow, light and dark, by mouse and by keyboard. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, MeshCache } from "../../../src/index.ts";
import { accessibilityFaults, type Browser, setLook, startBrowser, takeScreenshot } from "./chromium.ts";
import { expectGoodLook, LOOKS, VIEWS, type View } from "./looks.ts";
import {
  type ServedConsole,
  serveConsole,
  startReplay,
  startTraffic,
  type Traffic,
} from "./served-console.ts";
import { traceFile } from "./trace-file.ts";

const folder = mkdtempSync(join(tmpdir(), "meshcache-console-"));
let server: ServedConsole;
let browser: Browser;
let traffic: readonly Traffic[];

beforeAll(async () => {
  server = await serveConsole("--console-write", "--console-trace-url", "https://traces.example/{traceId}");
  await setEntries(server.address);
  traffic = [startTraffic(server.address), startReplay(server.address, traceFile(folder))];
  browser = await startBrowser();
});

afterAll(async () => {
  await Promise.all((traffic ?? []).map((one) => one.stop()));
  await browser?.close();
  await server?.stop();
  rmSync(folder, { recursive: true });
});

/** Entries that the traffic leaves alone, and what was invalidated before them. */
async function setEntries(address: string): Promise<void> {
  await using cache = new MeshCache({ address, clientId: "orders" });
  const shop = cache.namespace("shop", { codec: json<object>(), ttlMs: 3_600_000, staleMs: 3_600_000 });
  await shop.set("kept:2", { name: "older" }, { tags: ["kept"] });
  await shop.invalidate({ tags: ["kept"] });
  await shop.invalidate({ prefix: "kept:" }, { soft: true });
  await shop.set(
    "kept:1",
    { name: "item 1", price: { amount: 1250, currency: "EUR" } },
    { tags: ["kept", "sale"] },
  );
  await shop.set("kept:3", { name: "item 3" });
  await shop.set("kept:4", { name: "item 4" }, { ttlMs: 0, staleMs: 0 });
  await cache.namespace("visits").increment("page:home", 41);
}

/** What shows that a view has its content. */
const CONTENT: Readonly<Record<View, (page: Page) => Promise<void>>> = {
  async now(page) {
    // Some history, for people who look at the screenshot.
    await page.waitForFunction(() => document.querySelectorAll("canvas").length >= 8);
    await page
      .getByText(/[\d.]+ %/)
      .first()
      .waitFor();
    await page.waitForTimeout(4_000);
  },
  async namespaces(page) {
    await page.getByRole("rowheader", { name: "shop" }).waitFor();
    // Rates are there from the second reading on.
    await page.getByRole("row", { name: /shop .*\/s/ }).waitFor();
  },
  async clients(page) {
    await page.getByRole("row", { name: /orders.*\/s/ }).waitFor();
  },
  async keys(page) {
    await page.getByLabel("Namespace").fill("shop");
    await page.getByRole("button", { name: "List" }).click();
    await page.getByRole("rowheader", { name: "kept:1" }).waitFor();
    await page.getByRole("row", { name: /^kept:2 / }).waitFor({ state: "detached" });
  },
  async entry(page) {
    await page.getByLabel("Namespace").fill("shop");
    await page.getByLabel("Key", { exact: true }).fill("kept:1");
    await page.getByRole("button", { name: "Look up" }).click();
    await page.getByRole("button", { name: "Show the value" }).click();
    await page.getByText('"item 1"').waitFor();
  },
  async events(page) {
    await page.getByLabel("Namespace").fill("shop");
    await page.getByRole("button", { name: "Follow" }).click();
    await page
      .getByRole("button", { name: /^shop:/ })
      .first()
      .waitFor();
    await page.waitForTimeout(1_000);
  },
  async settings(page) {
    await page.getByRole("rowheader", { name: "storeBudgetBytes" }).waitFor();
  },
};

describe.each(LOOKS)("the console, %s and %s,", (width, colours) => {
  it.each(VIEWS)("shows %s", async (view) => {
    const { page, check } = await browser.open(`${server.console}#${view}`, width, colours);
    await CONTENT[view](page);
    await expectGoodLook(page, `busy-${view}-${width}-${colours}`);
    check();
    await page.close();
  });
});

describe("the console", () => {
  it("is used by keyboard alone, up to an invalidation", async () => {
    const { page, check } = await browser.open(`${server.console}#entry`);
    await page.getByLabel("Namespace").fill("shop");
    await page.getByLabel("Key", { exact: true }).fill("kept:3");
    await page.keyboard.press("Enter");
    await page.getByText("fresh", { exact: true }).waitFor();
    // To the choice of what is invalidated, and by the arrow to the tag.
    await page.getByRole("radio", { name: "This key" }).focus();
    await page.keyboard.press("ArrowDown");
    await page.getByRole("combobox", { name: "Tag" }).waitFor();
    await page.keyboard.press("ArrowUp");
    await page.getByRole("button", { name: "Invalidate …" }).focus();
    await page.keyboard.press("Enter");
    const confirm = page.getByRole("dialog").getByRole("button", { name: "Invalidate" });
    expect(await confirm.isDisabled()).toBe(true);
    await page.keyboard.type("kept:");
    expect(await confirm.isDisabled()).toBe(true);
    await takeScreenshot(page, "confirm");
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.keyboard.type("3");
    await page.keyboard.press("Enter");
    await page.getByText(/^Done: \d+ entr/).waitFor();
    expect(await page.getByRole("dialog").count()).toBe(0);
    check();
    await page.close();
  });

  it("takes Escape for no", async () => {
    const { page } = await browser.open(`${server.console}#entry`);
    await page.getByLabel("Namespace").fill("shop");
    await page.getByLabel("Key", { exact: true }).fill("kept:1");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Invalidate …" }).click();
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    // And may be asked again.
    await page.getByRole("button", { name: "Invalidate …" }).click();
    await page.getByRole("dialog").waitFor();
    await page.close();
  });

  it("begins with a way past the views, and shows where the keyboard is", async () => {
    const { page } = await browser.open(server.console);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("MAIN");
    await page.getByRole("link", { name: "Settings" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Settings" }).waitFor();
    expect(await page.getByRole("link", { name: "Settings" }).getAttribute("aria-current")).toBe("page");
    expect(await page.title()).toBe("Settings · meshcache");
    await page.close();
  });

  it("sorts a table by the title that is pressed", async () => {
    const { page } = await browser.open(`${server.console}#namespaces`);
    await CONTENT.namespaces(page);
    await page.getByRole("button", { name: "Namespace", exact: true }).press("Enter");
    const names = await page.getByRole("rowheader").allTextContents();
    const named = names.filter((name) => name !== "all others");
    expect(named).toEqual(named.toSorted());
    expect(await page.getByRole("columnheader", { name: "Namespace" }).getAttribute("aria-sort")).toBe(
      "ascending",
    );
    await page.close();
  });

  it("pauses, resumes and filters events, and leads from an event to its entry", async () => {
    const { page, check } = await browser.open(`${server.console}#events`);
    await CONTENT.events(page);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("paused", { exact: true }).waitFor();
    const received = page.getByText(/events received/);
    const before = await received.textContent();
    await page.waitForTimeout(500);
    expect(await received.textContent()).toBe(before);
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByText("live", { exact: true }).waitFor();
    await page.waitForFunction((text) => !document.body.textContent.includes(text ?? ""), before);
    await page.getByLabel("Key, tag or prefix contains").fill("tenant:");
    await page
      .getByText(/^tag tenant:\d$/)
      .first()
      .waitFor();
    expect(await page.getByRole("button", { name: /^shop:/ }).count()).toBe(0);
    await page.getByLabel("Key, tag or prefix contains").fill("shop:");
    await page.getByRole("button", { name: "Pause" }).click();
    const event = page.getByRole("button", { name: /^shop:/ }).first();
    const key = await event.textContent();
    await event.click();
    await page.getByRole("heading", { name: "Entry", level: 1 }).waitFor();
    expect(await page.getByLabel("Key", { exact: true }).inputValue()).toBe(key);
    // The key is in no address: addresses are kept and shared.
    expect(page.url()).not.toContain("shop:");
    check();
    await page.close();
  });

  it("lists keys by prefix, page by page, and leads from a key to its entry and back", async () => {
    const { page, check } = await browser.open(`${server.console}#keys`);
    await page.getByLabel("Namespace").fill("prices");
    await page.getByRole("button", { name: "List" }).click();
    await page.getByText("100 keys on page 1").waitFor();
    await page.getByRole("button", { name: "Next page" }).click();
    await page.getByText(/on page 2, the last one/).waitFor();
    await page.getByLabel("Key begins with").fill("prices:1");
    await page.getByLabel("Key begins with").press("Enter");
    await page.getByText("that begin with prices:1").waitFor();
    const keys = await page.getByRole("rowheader").allTextContents();
    expect(keys.filter((key) => !key.startsWith("prices:1"))).toEqual([]);
    await page.getByRole("button", { name: keys[0] ?? "", exact: true }).click();
    await page.getByRole("heading", { name: "Entry", level: 1 }).waitFor();
    expect(await page.getByLabel("Key", { exact: true }).inputValue()).toBe(keys[0]);
    expect(page.url()).not.toContain("prices");
    await page.getByRole("link", { name: "Keys" }).click();
    expect(await page.getByRole("rowheader").allTextContents()).toEqual(keys);
    check();
    await page.close();
  });

  it("adds to a counter, and only to one", async () => {
    const { page, check } = await browser.open(`${server.console}#entry`);
    await page.getByLabel("Namespace").fill("visits");
    await page.getByLabel("Key", { exact: true }).fill("page:home");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Show the value" }).click();
    await page.getByLabel("Value").getByText("41", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByLabel("Value").getByText("42", { exact: true }).waitFor();
    const field = page.getByLabel("Add to this counter");
    await field.fill("-2");
    await field.press("Enter");
    await page.getByLabel("Value").getByText("40", { exact: true }).waitFor();
    await field.fill("9223372036854775800");
    await field.press("Enter");
    await page.getByText(/more than 64 bits. Nothing was added/).waitFor();
    for (const [width, colours] of LOOKS) {
      await setLook(page, width, colours);
      await expectGoodLook(page, `counter-${width}-${colours}`);
    }
    await field.fill("one");
    expect(await page.getByRole("button", { name: "Add", exact: true }).isDisabled()).toBe(true);
    await page.getByLabel("Namespace").fill("shop");
    await page.getByLabel("Key", { exact: true }).fill("kept:1");
    await page.getByRole("button", { name: "Look up" }).click();
    await page.getByRole("button", { name: "Show the value" }).click();
    await page.getByText('"item 1"').waitFor();
    expect(await field.count()).toBe(0);
    check();
    await page.close();
  });

  it("links an event to the trace of its writer", async () => {
    const { page } = await browser.open(`${server.console}#events`);
    await page.getByLabel("Namespace").fill("traced");
    await page.getByRole("button", { name: "Follow" }).click();
    await page.getByText("live", { exact: true }).waitFor();
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const set = await fetch(new URL("/meshcache.v1.CacheService/Set", server.console), {
      method: "POST",
      headers: { "content-type": "application/json", traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
      body: JSON.stringify({ namespace: "traced", key: "k", value: "AA==" }),
    });
    expect(set.status).toBe(200);
    const link = page.getByRole("link", { name: "Trace" });
    expect(await link.getAttribute("href")).toBe(`https://traces.example/${traceId}`);
    expect(await link.getAttribute("rel")).toBe("noreferrer noopener");
    await page.close();
  });

  it("is light or dark as the person wants, and remembers it", async () => {
    const { page } = await browser.open(`${server.console}#settings`, "wide", "light");
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.getByRole("button", { name: "Dark" }).click();
    const dark = await ground();
    expect(dark).not.toBe(light);
    await page.reload();
    expect(await ground()).toBe(dark);
    await page.getByRole("button", { name: "As the system" }).click();
    expect(await ground()).toBe(light);
    await page.close();
  });
});
