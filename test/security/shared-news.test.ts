/** What the threads of a process log of new files: one line for all of them. */
import { expect, it } from "vitest";
import { createNewsMemory, SharedNews } from "../../src/security/files/shared-news.ts";

it("SharedNews lets one thread tell of new contents, of each subject", () => {
  const memory = createNewsMemory();
  const threads = [new SharedNews(memory), new SharedNews(memory), new SharedNews(memory)];
  const told = (subject: string, contents: string) =>
    threads.map((thread) => thread.isNew(subject, contents));
  expect(told("policy", "a")).toEqual([true, false, false]);
  expect(told("tokens", "a")).toEqual([true, false, false]);
  expect(told("policy", "b")).toEqual([true, false, false]);
  // What was there before is new again.
  expect(told("policy", "a")).toEqual([true, false, false]);
});
