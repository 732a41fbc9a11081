/**
 * Finds callbacks that bytes from outside can reach and that are registered outside of the boundary. Every rule is
 * also held to find a planted violation.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

/** The files that handle bytes from outside. */
const ROOMS = ["src/server", "src/http2", "src/codec", "src/rpc", "src/client"];

/** Emitters that are contained elsewhere, where they are made, by the file that listens to them. */
const containedElsewhere: Record<string, Record<string, string>> = {
  "src/server/fast/call.ts": { stream: "guardStreams contains it, or it is a SingleStream" },
  "src/server/fast/streaming-call.ts": { stream: "guardStreams contains it, or it is a SingleStream" },
  "src/server/fast/unary-call.ts": { stream: "guardStreams contains it, or it is a SingleStream" },
  "src/server/admin-connections.ts": {
    server: "its listeners are guarded",
    response: "the listener is guarded",
  },
  "src/server/connections/accelerated-connections.ts": { socket: "contained when it was accepted" },
  "src/server/fast/single-stream-session.ts": { socket: "SingleStreamConnection contains it" },
  "src/server/fast/single-stream.ts": {
    "this.#events": "emits only inside of callbacks of its socket, and of guarded turns",
  },
  "src/client/transport/http2-connection.ts": { socket: "SingleStreamConnection contains it" },
  "src/server/connections/http2-sessions.ts": {
    http2Server: "emits only inside of its sessions, which are contained, and while a socket is accepted",
  },
  "src/server/connections/listener.ts": {
    listener: "its error before it listens; connections come through a guarded callback",
  },
  "src/server/grpc-js/internals.ts": { http2Server: "its listener has its own catch" },
  "src/server/grpc-js/adapters.ts": { call: "each listener is guarded or has its own catch" },
  "src/server/workers/worker-thread.ts": { worker: "the main thread's own orders; no bytes from outside" },
  "src/server/workers/server-thread.ts": { port: "the main thread's own orders; no bytes from outside" },
  "src/server/workers/thread-store.ts": { peer: "the listener is guarded" },
  "src/rpc/client.ts": { call: "only settles a promise" },
};

/** Timers and turns that need no guard, by their file, and why. */
const unguarded: Record<string, string> = {
  "src/server/maintenance.ts": "has its own catch, since it must go on",
  "src/server/shutdown.ts": "only settles a promise",
  "src/server/streams/turn-scheduler.ts": "the slice is guarded",
  "src/server/streams/busy-poll.ts": "the turn is guarded",
  "src/server/streams/event-stream.ts": "the timer's callback is guarded",
  "src/server/fast/keepalive.ts": "guarded in one place",
  "src/client/mesh-cache.ts": "flushes are guarded, and timers run on the guarded clock",
};

interface Violation {
  readonly file: string;
  readonly line: number;
  readonly what: string;
}

/** The text of the arguments of a call, to its closing parenthesis. */
function argumentsAt(text: string, open: number): string {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "(") depth += 1;
    if (text[at] === ")") depth -= 1;
    if (depth === 0) return text.slice(open + 1, at);
  }
  return text.slice(open + 1);
}

const LISTENS = /([\w.#]+(?:\?\.)?)\s*\.?(?:\?\.)?(?<=[.])(?:on|once|addListener|prependListener)\(/g;
const TURNS = /\b(?:setImmediate|setTimeout|setInterval|queueMicrotask|process\.nextTick|clock\.schedule)\(/g;
const COMPLETES = /(?:\.(?:write|end|sendData)|\bsession\.(?:ping|settings))\(/g;

function violationsIn(file: string, text: string): Violation[] {
  const found: Violation[] = [];
  const note = (at: number, what: string) =>
    found.push({ file, line: text.slice(0, at).split("\n").length, what });
  const isGuarded = (call: string) => /\bguard\(/.test(call);

  for (const match of text.matchAll(LISTENS)) {
    const emitter = (match[1] ?? "").replace(/[?.]+$/, "");
    const contains = text.includes(`contain(${emitter})`) || text.includes(`${emitter} = boundary.contain(`);
    if (!contains && containedElsewhere[file]?.[emitter] === undefined)
      note(match.index, `listens to ${emitter}, which nothing contains`);
  }
  // The client guards its whole clock.
  const turnsAreGuarded = file in unguarded;
  for (const match of text.matchAll(TURNS)) {
    const call = argumentsAt(text, match.index + match[0].length - 1);
    const guardedClock = match[0] === "clock.schedule(" && file.startsWith("src/client/");
    if (!turnsAreGuarded && !guardedClock && !isGuarded(call)) note(match.index, `an unguarded ${match[0]})`);
  }
  for (const match of text.matchAll(COMPLETES)) {
    const call = argumentsAt(text, match.index + match[0].length - 1);
    if (call.includes("=>") && !isGuarded(call)) note(match.index, `an unguarded completion of ${match[0]})`);
  }
  return found;
}

const files = ROOMS.flatMap((room) =>
  readdirSync(room, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(room, name)),
);

describe("callbacks that bytes from outside can reach", () => {
  it("pass through the boundary", () => {
    expect(files.length).toBeGreaterThan(50);
    const violations = files.flatMap((file) => violationsIn(file, readFileSync(file, "utf8")));
    expect(violations).toEqual([]);
  });

  it("use every exception in the lists", () => {
    for (const [file, emitters] of Object.entries(containedElsewhere)) {
      const text = readFileSync(file, "utf8");
      for (const emitter of Object.keys(emitters))
        expect(text, `${file} listens to ${emitter}`).toMatch(
          new RegExp(`${emitter.replace(/[.$]/g, "\\$&")}(\\?)?\\s*\\.(on|once)\\(`),
        );
    }
    for (const file of Object.keys(unguarded))
      expect(readFileSync(file, "utf8")).toMatch(/schedule\(|setImmediate|nextTick|nextTurn/);
  });

  it.each([
    ["a listener", 'fresh.on("data", () => parse());'],
    ["a listener that comes once", 'fresh.once("close", gone);'],
    ["a listener on what may be absent", 'fresh?.on("message", gone);'],
    ["a timer", "clock.schedule(10, () => close());"],
    ["a turn", "setImmediate(() => close());"],
    ["a tick", "process.nextTick(close);"],
    ["the completion of a write", "socket.write(bytes, () => release());"],
    ["the answer of a ping", "session.ping((error) => release(error));"],
  ])("are found where they do not: %s", (_, line) => {
    expect(violationsIn("src/server/new-file.ts", `const a = 1;\n${line}\n`)).toMatchObject([{ line: 2 }]);
  });
});
