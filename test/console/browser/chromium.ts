/** A real Chromium that knows nothing of former runs, and what tests ask of the pages in it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

export const CHROMIUM = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";

/** Where the screenshots are put, for people to look at. */
export const SCREENSHOTS = process.env.CONSOLE_SCREENSHOTS ?? ".cache/console";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const VIEWPORTS = { wide: { width: 1280, height: 900 }, narrow: { width: 360, height: 740 } } as const;
export type Width = keyof typeof VIEWPORTS;
export type Colours = "light" | "dark";

export interface Browser {
  /** Opens a page. What it loads from elsewhere, and what it complains of, is a failure at `check`. */
  open(address: string, width?: Width, colours?: Colours): Promise<OpenPage>;
  close(): Promise<void>;
}

export interface OpenPage {
  readonly page: Page;
  /** Fails for errors of scripts, requests to other hosts and violations of the policy. `expected`: errors that are right. */
  check(expected?: RegExp): void;
}

export async function startBrowser(): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-chromium-"));
  const context: BrowserContext = await chromium.launchPersistentContext(folder, {
    executablePath: CHROMIUM,
    args: FLAGS,
    viewport: VIEWPORTS.wide,
  });
  return {
    async open(address, width = "wide", colours = "light") {
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(`threw ${error.message}`));
      page.on("console", (message) => {
        if (message.type() === "error") complaints.push(message.text());
      });
      page.on("request", (request) => {
        if (new URL(request.url()).origin !== new URL(address).origin)
          complaints.push(`asked ${request.url()}`);
      });
      await setLook(page, width, colours);
      await page.goto(address);
      return {
        page,
        check(expected) {
          expect(complaints.filter((one) => expected === undefined || !expected.test(one))).toEqual([]);
        },
      };
    },
    async close() {
      await context.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** As a person turns the window of a page, or the colours of the system. Resolves once the page is drawn anew. */
export async function setLook(page: Page, width: Width, colours: Colours): Promise<void> {
  await page.setViewportSize(VIEWPORTS[width]);
  await page.emulateMedia({ colorScheme: colours });
  await page.evaluate(
    () => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))),
  );
}

export async function takeScreenshot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  // What stays at the top while the page scrolls would be in the middle of the picture.
  await page.evaluate(() => scrollTo(0, 0));
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Serious and critical faults that axe finds, in one line each. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(
        ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`,
      );
  });
}

/** The page is never wider than its window: what is wide scrolls in a box of its own. */
export async function expectNoSidewaysScrolling(page: Page): Promise<void> {
  const [inner, outer] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(inner).toBeLessThanOrEqual(outer ?? 0);
}

/** On a wide page no table hides a column. On a narrow one it scrolls in its box. */
export async function expectWholeTables(page: Page): Promise<void> {
  if ((page.viewportSize()?.width ?? 0) < VIEWPORTS.wide.width) return;
  const cut = await page
    .locator(".table")
    .evaluateAll((tables) =>
      tables
        .filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth)
        .map(
          (table) => `${table.getAttribute("aria-label")}: ${table.scrollWidth} px in ${table.clientWidth}`,
        ),
    );
  expect(cut).toEqual([]);
}
