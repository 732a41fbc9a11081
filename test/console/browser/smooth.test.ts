/** The page under a thousand events a second: what it costs, and that it stays small. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Browser, startBrowser, takeScreenshot } from "./chromium.ts";
import { type ServedConsole, serveConsole, startEvents, type Traffic } from "./served-console.ts";

const PER_SECOND = 1_000;
const SECONDS = 15;
const IDLE_SECONDS = 3;
/** A task that takes longer keeps a person waiting: what is beyond is blocking time. */
const LONG_TASK_MS = 50;
const BLOCKING_MAX_MS_PER_SECOND = 100;

let server: ServedConsole;
let browser: Browser;
let writing: Traffic;

beforeAll(async () => {
  server = await serveConsole();
  writing = startEvents(server.address, "default", PER_SECOND);
  browser = await startBrowser();
});

afterAll(async () => {
  await writing?.stop();
  await browser?.close();
  await server?.stop();
});

it("takes a thousand events a second with less than half of a processor, and a bounded page", async () => {
  const { page, check } = await browser.open(`${server.console}#settings`);
  await page.getByRole("rowheader", { name: "storeBudgetBytes" }).waitFor();
  // What this machine draws of a page without events, while it does all that it does beside.
  const idle = await page.evaluate(watchFrames, [IDLE_SECONDS * 1_000, LONG_TASK_MS] as const);
  await page.goto(`${server.console}#events`);
  await page.getByRole("button", { name: /^key:/ }).first().waitFor();
  const devtools = await page.context().newCDPSession(page);
  // In ticks of the thread: what else the machine does is not in them.
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  const metric = async (name: string) =>
    (await devtools.send("Performance.getMetrics")).metrics.find((one) => one.name === name)?.value ??
    Number.NaN;
  const received = async () =>
    Number((await page.getByText(/events received/).textContent())?.replaceAll(",", "").match(/^\d+/)?.[0]);
  const [busyBefore, countBefore] = [await metric("TaskDuration"), await received()];
  const frames = await page.evaluate(watchFrames, [SECONDS * 1_000, LONG_TASK_MS] as const);
  const [busyAfter, countAfter] = [await metric("TaskDuration"), await received()];
  const share = (busyAfter - busyBefore) / SECONDS;
  const heapMiB = (await metric("JSHeapUsedSize")) / 2 ** 20;
  console.log(
    `${Math.round((countAfter - countBefore) / SECONDS)} events/s: ` +
      `${(100 * share).toFixed(0)} % of a processor, ${frames.perSecond.toFixed(0)} frames/s (${idle.perSecond.toFixed(0)} without), ` +
      `the longest ${frames.longestMs.toFixed(0)} ms, blocked for ${frames.blockingMsPerSecond.toFixed(0)} ms a second, heap ${heapMiB.toFixed(0)} MiB`,
  );
  expect(countAfter - countBefore).toBeGreaterThan((PER_SECOND * SECONDS) / 2);
  expect(share).toBeLessThan(0.5);
  expect(frames.perSecond).toBeGreaterThan(idle.perSecond / 2);
  expect(frames.blockingMsPerSecond).toBeLessThan(BLOCKING_MAX_MS_PER_SECOND);
  expect(heapMiB).toBeLessThan(100);
  expect(await page.locator(".event").count()).toBeLessThan(100);
  await takeScreenshot(page, "events-1000-a-second");

  // Whoever scrolls down reads what stays where it is.
  await page.getByRole("region", { name: "Events, newest first" }).hover();
  await page.mouse.wheel(0, 20_000);
  await page.getByText(/list stands still/).waitFor();
  const middle = () => page.locator(".event .target").nth(15).textContent();
  const read = await middle();
  await page.waitForTimeout(1_000);
  expect(await middle()).toBe(read);
  check();
  await page.close();
});

interface Frames {
  readonly perSecond: number;
  readonly longestMs: number;
  /** By how much tasks took too long. */
  readonly blockingMsPerSecond: number;
}

function watchFrames([durationMs, longTaskMs]: readonly [number, number]): Promise<Frames> {
  let blockingMs = 0;
  const tasks = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) blockingMs += Math.max(0, duration - longTaskMs);
  });
  tasks.observe({ type: "longtask" });
  return new Promise((resolve) => {
    const startedMs = performance.now();
    let [lastMs, count, longestMs] = [startedMs, 0, 0];
    const frame = (nowMs: number) => {
      count += 1;
      longestMs = Math.max(longestMs, nowMs - lastMs);
      lastMs = nowMs;
      const seconds = (nowMs - startedMs) / 1_000;
      if (nowMs - startedMs < durationMs) requestAnimationFrame(frame);
      else {
        tasks.disconnect();
        resolve({
          perSecond: count / seconds,
          longestMs,
          blockingMsPerSecond: blockingMs / seconds,
        });
      }
    };
    requestAnimationFrame(frame);
  });
}
