/** Every view in every look: wide and narrow, light and dark. A picture of each is kept, and none has a serious fault. */
import type { Page } from "playwright-core";
import { expect } from "vitest";
import {
  accessibilityFaults,
  type Colours,
  expectNoSidewaysScrolling,
  expectWholeTables,
  setLook,
  takeScreenshot,
  type Width,
} from "./chromium.ts";

export const VIEWS = ["now", "namespaces", "clients", "keys", "entry", "events", "settings"] as const;
export type View = (typeof VIEWS)[number];

export const LOOKS: readonly (readonly [Width, Colours])[] = [
  ["wide", "light"],
  ["wide", "dark"],
  ["narrow", "light"],
  ["narrow", "dark"],
];

/** Goes through the views of a page that is open. `ready`: waits until a view shows what is to be seen. */
export async function walkViews(
  page: Page,
  state: string,
  ready: (view: View) => Promise<void>,
  views: readonly View[] = VIEWS,
): Promise<void> {
  for (const view of views) {
    await page.evaluate((name) => {
      location.hash = `#${name}`;
    }, view);
    await page.locator(`nav a[href="#${view}"][aria-current="page"]`).waitFor();
    await ready(view);
    for (const [width, colours] of LOOKS) {
      await setLook(page, width, colours);
      await expectGoodLook(page, `${state}-${view}-${width}-${colours}`);
    }
  }
}

export async function expectGoodLook(page: Page, name: string): Promise<void> {
  await takeScreenshot(page, name);
  expect(await accessibilityFaults(page), name).toEqual([]);
  await expectNoSidewaysScrolling(page);
  await expectWholeTables(page);
}
