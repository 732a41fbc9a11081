import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WatchedFiles } from "../../src/security/files/watched-files.ts";
import { PemFolder } from "../support/certificates.ts";

type Pair = WatchedFiles<"left" | "right", string>;

let folder: PemFolder;
let pair: Pair;
let told: string[];

const write = (left: string, right: string) => [folder.write("left", left), folder.write("right", right)];
const look = () =>
  pair.check({
    replaced: (value) => told.push(value),
    refused: (error) => told.push(error instanceof Error ? error.message : ""),
  });

beforeEach(() => {
  folder = new PemFolder();
  told = [];
  const [left = "", right = ""] = write("1", "1");
  pair = new WatchedFiles("tls", { left, right }, (texts) => {
    if (texts.left !== texts.right) throw new Error(`${texts.left} and ${texts.right}`);
    return `${texts.left}`;
  });
});
afterEach(() => folder[Symbol.dispose]());

describe("files that belong together", () => {
  it("may be half replaced at a look: nothing is refused", async () => {
    write("2", "1");
    await look();
    expect([told, pair.isRefused, pair.value]).toEqual([[], false, "1"]);
    write("2", "2");
    await look();
    expect([told, pair.isRefused, pair.value]).toEqual([["2"], false, "2"]);
  });

  it("are refused, once, when they do not fit at two looks", async () => {
    write("2", "1");
    for (let count = 0; count < 4; count++) await look();
    expect([told, pair.isRefused, pair.value, pair.refusals]).toEqual([["2 and 1"], true, "1", 1]);
    write("2", "3");
    for (let count = 0; count < 4; count++) await look();
    expect(told).toEqual(["2 and 1", "2 and 3"]);
    write("1", "1");
    await look();
    expect([told.at(-1), pair.isRefused]).toEqual(["1", false]);
  });

  it("are refused when one cannot be read", async () => {
    rmSync(folder.write("left", ""));
    for (let count = 0; count < 3; count++) await look();
    expect([told.length, pair.isRefused, pair.value]).toEqual([1, true, "1"]);
  });
});
