/** What the console shows when there is nothing, nobody answers, or the person may not look. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshCache } from "../../../src/index.ts";
import {
  accessibilityFaults,
  type Browser,
  expectNoSidewaysScrolling,
  startBrowser,
  takeScreenshot,
} from "./chromium.ts";
import { walkViews } from "./looks.ts";
import { serveConsole, startEvents } from "./served-console.ts";

const folder = mkdtempSync(join(tmpdir(), "meshcache-console-"));
let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true });
});

describe("an empty server", () => {
  it("says in each view that there is nothing yet, and that it is read-only", async () => {
    const server = await serveConsole();
    const { page, check } = await browser.open(server.console);
    await walkViews(page, "empty", async () => {
      await page.getByText("Connected", { exact: true }).waitFor();
      await page.getByText("read-only", { exact: true }).waitFor();
      // What is read twice a second is there.
      await page.waitForTimeout(1_500);
    });
    check();
    await page.close();
    await server.stop();
  });

  it("says of a namespace without keys that it has none", async () => {
    const server = await serveConsole();
    const { page, check } = await browser.open(`${server.console}#keys`);
    await page.getByLabel("Key begins with").fill("nothing:");
    await page.getByRole("button", { name: "List" }).click();
    await page.getByRole("heading", { name: "No keys", exact: true }).waitFor();
    await takeScreenshot(page, "no-keys");
    expect(await accessibilityFaults(page)).toEqual([]);
    check();
    await page.close();
    await server.stop();
  });

  it("lets nobody add to a counter while it is read-only", async () => {
    const server = await serveConsole();
    await using cache = new MeshCache({ address: server.address });
    await cache.namespace("default").increment("visits", 7);
    const { page } = await browser.open(`${server.console}#entry`);
    await page.getByLabel("Key", { exact: true }).fill("visits");
    await page.getByRole("button", { name: "Look up" }).click();
    await page.getByRole("button", { name: "Show the value" }).click();
    await page.getByLabel("Add to this counter").waitFor();
    expect(await page.getByRole("button", { name: "Add", exact: true }).isDisabled()).toBe(true);
    await takeScreenshot(page, "read-only-counter");
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.close();
    await server.stop();
  });

  it("lets nobody invalidate while it is read-only", async () => {
    const server = await serveConsole();
    const { page } = await browser.open(`${server.console}#entry`);
    await page.getByLabel("Key", { exact: true }).fill("nothing");
    await page.getByRole("button", { name: "Look up" }).click();
    await page.getByText("The store has nothing for this key.").waitFor();
    await page.getByText(/console is read-only/).waitFor();
    expect(await page.getByRole("button", { name: "Invalidate …" }).isDisabled()).toBe(true);
    await takeScreenshot(page, "read-only-entry");
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.close();
    await server.stop();
  });
});

describe("a server with a snapshot", () => {
  it("says in the settings what it began with, and which file it writes", async () => {
    const file = join(folder, "snapshot");
    const show = async (state: string, texts: readonly string[]) => {
      const server = await serveConsole("--snapshot", file);
      const { page, check } = await browser.open(`${server.console}#settings`);
      const panel = page.locator("section", { has: page.getByRole("heading", { name: "Snapshot" }) });
      for (const text of [file, ...texts]) await panel.getByText(text).waitFor();
      await takeScreenshot(page, `snapshot-${state}`);
      expect(await accessibilityFaults(page)).toEqual([]);
      await expectNoSidewaysScrolling(page);
      check();
      await page.close();
      return server;
    };
    const first = await show("none", ["there was none: the store began empty"]);
    const cache = new MeshCache({ address: first.address });
    await cache.namespace("shop").set("kept", Buffer.from("value"));
    await cache.close();
    await first.stop();
    await (await show("loaded", ["loaded", "1 entry"])).stop("SIGKILL");
    writeFileSync(file, "no snapshot");
    await (await show("refused", ["refused, the store began empty: it is damaged"])).stop();
  });

  it("of no file says that a restart begins empty", async () => {
    const server = await serveConsole();
    const { page } = await browser.open(`${server.console}#settings`);
    await page.getByText("None: a restart begins with an empty store.").waitFor();
    await page.close();
    await server.stop();
  });
});

describe("a server that stops and starts again", () => {
  it("is said to be gone, keeps its last numbers on the page, and comes back with a gap", async () => {
    const first = await serveConsole();
    const { address, console: at } = first;
    const { page } = await browser.open(`${at}#now`);
    await page.getByText("Connected", { exact: true }).waitFor();
    await page.goto(`${at}#events`);
    await page.getByText("live", { exact: true }).waitFor();
    const writing = startEvents(address, "default", 50);
    await page.getByRole("button", { name: /^key:/ }).first().waitFor();
    await writing.stop();
    await first.stop("SIGKILL");
    await page.getByText("Disconnected").waitFor();
    await page
      .getByText(/does not answer/)
      .first()
      .waitFor();
    await walkViews(page, "disconnected", async (view) => {
      await page.getByText("Disconnected", { exact: true }).waitFor();
      if (view === "now") await page.getByText(/What is below was read before/).waitFor();
    });
    await page.evaluate(() => {
      location.hash = "#events";
    });
    const second = await serveConsole("--listen", address, "--admin", new URL(at).host);
    await page.getByText("Connected", { exact: true }).waitFor();
    await page.close();
    await second.stop();
  });

  it("shows the gap in the events that were followed, in red", async () => {
    const first = await serveConsole();
    const { address, console: at } = first;
    const { page } = await browser.open(`${at}#events`);
    const writing = startEvents(address, "default", 50);
    await page.getByRole("button", { name: /^key:/ }).first().waitFor();
    await writing.stop();
    await first.stop("SIGKILL");
    await page.getByText("interrupted", { exact: true }).waitFor();
    await takeScreenshot(page, "disconnected-events");
    const second = await serveConsole("--listen", address, "--admin", new URL(at).host);
    const gap = page.getByText(/the server was restarted/);
    await gap.waitFor();
    await page.getByText("live", { exact: true }).waitFor();
    await page.getByText("Connected", { exact: true }).waitFor();
    await takeScreenshot(page, "gap-events");
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.setViewportSize({ width: 360, height: 740 });
    await takeScreenshot(page, "gap-events-narrow");
    await page.close();
    await second.stop();
  });
});

describe("a server with identities", () => {
  const TOKENS = { reader: "reader-token", watcher: "watcher-token", keeper: "keeper-token" };

  function securityOptions(): string[] {
    const tokens = join(folder, "tokens");
    const policy = join(folder, "policy.yaml");
    const hash = (token: string) => createHash("sha256").update(token).digest("hex");
    writeFileSync(
      tokens,
      Object.entries(TOKENS)
        .map(([name, token]) => `${name} ${hash(token)}\n`)
        .join(""),
    );
    writeFileSync(
      policy,
      `principals:
  - name: reader
    match: ["token:reader"]
    allow:
      - namespaces: ["shop"]
        may: [read]
  - name: watcher
    match: ["token:watcher"]
    allow:
      - namespaces: ["*"]
        may: [observe]
  - name: keeper
    match: ["token:keeper"]
    allow:
      - namespaces: ["shop"]
        may: [inspect, observe, write]
`,
    );
    return ["--tokens", tokens, "--policy", policy];
  }

  it("asks who the person is, refuses a wrong token, and shows what a right one may see", async () => {
    const server = await serveConsole(...securityOptions());
    const { page } = await browser.open(server.console);
    await page.getByRole("heading", { name: "Who are you?" }).waitFor();
    await takeScreenshot(page, "sign-in");
    expect(await accessibilityFaults(page)).toEqual([]);
    const field = page.getByLabel(/^Token/);
    await field.fill("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("The server does not take this token.").waitFor();
    await field.fill(TOKENS.watcher);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Now" }).waitFor();
    // It may observe, and neither inspect nor subscribe.
    for (const [view, permission] of [
      ["keys", "inspect"],
      ["entry", "inspect"],
      ["events", "subscribe"],
    ] as const) {
      await page.goto(`${server.console}#${view}`);
      await page.getByRole("heading", { name: "Without permission" }).waitFor();
      await page.getByText(permission, { exact: true }).waitFor();
    }
    // Its token is kept for the tab, and is in no address.
    await page.reload();
    await page.getByRole("heading", { name: "Without permission" }).waitFor();
    expect(page.url()).not.toContain(TOKENS.watcher);
    await page.close();
    await server.stop();
  });

  it("lists keys where the person may inspect, and keeps none for who comes next", async () => {
    const server = await serveConsole(...securityOptions());
    const call = (method: string, request: object) =>
      fetch(new URL(`/meshcache.v1.CacheService/${method}`, server.console), {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${TOKENS.keeper}` },
        body: JSON.stringify(request),
      });
    expect((await call("Set", { namespace: "shop", key: "secret:1", value: "AA==" })).status).toBe(200);
    const { page } = await browser.open(`${server.console}#keys`);
    const signIn = async (token: string) => {
      await page.getByLabel(/^Token/).fill(token);
      await page.keyboard.press("Enter");
    };
    await signIn(TOKENS.keeper);
    await page.getByLabel("Namespace").fill("shop");
    await page.getByRole("button", { name: "List" }).click();
    await page.getByRole("rowheader", { name: "secret:1" }).waitFor();
    // Of another namespace it learns nothing, and what was shown is gone.
    await page.getByLabel("Namespace").fill("users");
    await page.getByRole("button", { name: "List" }).click();
    await page.getByText("Your identity does not have the permission for this.").waitFor();
    expect(await page.getByText("secret:1").count()).toBe(0);
    await takeScreenshot(page, "denied-namespace-keys");
    expect(await accessibilityFaults(page)).toEqual([]);
    await page.getByLabel("Namespace").fill("shop");
    await page.getByRole("button", { name: "List" }).click();
    await page.getByRole("button", { name: "secret:1" }).click();
    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByRole("button", { name: "Forget the token" }).click();
    await signIn(TOKENS.watcher);
    await page.getByRole("link", { name: "Keys" }).click();
    await page.getByRole("heading", { name: "Without permission" }).waitFor();
    expect(await page.content()).not.toContain("secret:1");
    await page.close();
    await server.stop();
  });

  it("shows in each view which permission is missing", async () => {
    const server = await serveConsole(...securityOptions());
    const { page } = await browser.open(server.console);
    await page.getByLabel(/^Token/).fill(TOKENS.reader);
    await page.keyboard.press("Enter");
    await walkViews(page, "denied", () =>
      page.getByRole("heading", { name: "Without permission" }).waitFor(),
    );
    await page.close();
    await server.stop();
  });
});
