/** What each test of a file has that uses certificates: an authority, a folder for files, and what ends with the test. */
import { afterEach, beforeEach } from "vitest";
import { type Authority, createAuthority, PemFolder } from "./certificates.ts";

export interface PemTest {
  readonly undo: AsyncDisposableStack;
  readonly folder: PemFolder;
  readonly authority: Authority;
}

/** Call it once, outside of tests. */
export function usePemTest(): PemTest {
  let current: PemTest | undefined;
  const now = (): PemTest => {
    if (current === undefined) throw new Error("no test runs");
    return current;
  };
  beforeEach(() => {
    const undo = new AsyncDisposableStack();
    current = { undo, folder: undo.use(new PemFolder()), authority: createAuthority() };
  });
  afterEach(async () => {
    await current?.undo.disposeAsync();
    current = undefined;
  });
  return {
    get undo() {
      return now().undo;
    },
    get folder() {
      return now().folder;
    },
    get authority() {
      return now().authority;
    },
  };
}
