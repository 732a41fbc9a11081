/**
 * Every callback that bytes from outside can reach passes through the boundary, and every promise has a rejection
 * handler, or an exception says why not. Each kind of violation is planted and found, and each good form is not.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { dataTypesOf, type Violation, violationsIn } from "./callbacks.ts";

const ROOMS = [
  "src/server",
  "src/http2",
  "src/codec",
  "src/rpc",
  "src/client",
  "src/store",
  "src/telemetry",
  "src/cli/serving",
  "src/cli/telemetry",
  "src/common",
];

/** Reasons by what a violation names, by file. */
type Exceptions = Record<string, Record<string, string>>;

const CALL_STREAM = "guardStreams contains it, or it is a SingleStream";
const TAKEN = "every caller of the file passes a guarded one";
const NO_CALLBACK = "takes a status, an error or data, no callback";
const MAIN_THREAD = "the main thread's own orders; no bytes from outside";
const SETTLES = "only settles a promise";
const CLIENT_CLOCK = "the client guards every timer of its clock";

const exceptions: Exceptions = {
  "src/server/server.ts": { "connections.listen": NO_CALLBACK, "drainServer().then": "drain() returns it" },
  "src/server/maintenance.ts": {
    setImmediate: "has its own catch, since it must go on",
    "clock.schedule": "what it runs has its own catch, since it must go on",
  },
  "src/server/shutdown.ts": { "clock.schedule": SETTLES },
  "src/server/calls/registry.ts": { "call.span.end": NO_CALLBACK },
  "src/server/connections/accelerated-connections.ts": {
    "socket.on": "contained when it was accepted",
    "socket.once": "contained when it was accepted",
  },
  "src/server/connections/http2-sessions.ts": {
    "http2Server.on":
      "emits only inside of its sessions, which are contained, and while a socket is accepted",
  },
  "src/server/connections/listener.ts": { "listener.once": SETTLES, "listener.listen": SETTLES },
  "src/server/fast/call.ts": {
    "stream.on": CALL_STREAM,
    "stream.once": CALL_STREAM,
    "this.span.end": NO_CALLBACK,
  },
  "src/server/fast/keepalive.ts": {
    "connection.ping": "runs in a listener of the socket, which is contained",
  },
  "src/server/fast/single-stream-session.ts": {
    "socket.on": "SingleStreamConnection contains it",
    "this.#wire.sendData": TAKEN,
  },
  "src/server/fast/single-stream.ts": {
    "this.#events.on": "emits only inside of callbacks of its socket, and of guarded turns",
    "this.#events.once": "emits only inside of callbacks of its socket, and of guarded turns",
    "this.session.sendData": TAKEN,
    "this.write": TAKEN,
  },
  "src/server/fast/streaming-call.ts": { "stream.on": CALL_STREAM },
  "src/server/fast/unary-call.ts": { "stream.on": CALL_STREAM, "stream.once": CALL_STREAM },
  "src/server/grpc-js/adapters.ts": {
    "call.on": "the listener has its own catch",
    "call.once": "the listener has its own catch",
  },
  "src/server/grpc-js/interceptor.ts": { "this.#register.end": NO_CALLBACK, "this.span.end": NO_CALLBACK },
  "src/server/grpc-js/internals.ts": { "http2Server.on": "its listener has its own catch" },
  "src/server/services/health.ts": { "call.end": NO_CALLBACK },
  "src/server/services/reflection.ts": { "call.end": NO_CALLBACK },
  "src/server/workers/free-port.ts": {
    createServer: "only ends the connection, which nothing was read from",
  },
  "src/server/workers/index.ts": {
    "waitUpTo().then": "drain() returns it",
    "void this.#terminate": "closes ports and awaits terminate() of threads, which does not reject",
  },
  "src/server/workers/server-thread.ts": {
    "port.on": MAIN_THREAD,
    "carryOut().then": "an order that fails has to end the process",
    "void carryOut().then": "an order that fails has to end the process",
  },
  "src/server/workers/worker-thread.ts": {
    "worker.on": "reports of the process's own thread; no bytes from outside",
  },
  "src/http2/data-sender.ts": { "socket.write": TAKEN },
  "src/codec/fast/codecs.ts": { "codec.write": NO_CALLBACK },
  "src/rpc/client.ts": {
    "call.once": "only cancels the call, which has ended",
    "signal.addEventListener": "only cancels the call",
    "client.waitForReady": SETTLES,
  },
  "src/client/event-subscriptions.ts": {
    "signal.addEventListener":
      "the caller's signal; only ends its queue, and the flush that follows is guarded",
  },
  "src/client/process-defaults.ts": {
    queueMicrotask: "the flush is guarded",
    "process.nextTick": "the flush is guarded",
  },
  "src/client/sync.ts": {
    "clock.schedule": CLIENT_CLOCK,
    "signal.addEventListener": SETTLES,
    "closing.addEventListener": SETTLES,
  },
  "src/client/api/timeouts.ts": { "clock.schedule": CLIENT_CLOCK, "signal.addEventListener": SETTLES },
  "src/client/connection/barriers.ts": {
    "stream.ping": "runs while the stream reads, in a listener that is contained",
  },
  "src/client/connection/connection.ts": { "this.#deps.clock.schedule": CLIENT_CLOCK },
  "src/client/connection/deadline-timer.ts": { "this.#clock.schedule": CLIENT_CLOCK },
  "src/client/connection/heartbeat.ts": { "this.#clock.schedule": CLIENT_CLOCK },
  "src/client/connection/reconnection.ts": { "clock.schedule": CLIENT_CLOCK },
  "src/client/connection/stream-handover.ts": { "this.#deps.clock.schedule": CLIENT_CLOCK },
  "src/client/transport/http2-connection.ts": { "socket.on": "SingleStreamConnection contains it" },
  "src/store/events/event-record.ts": { "into.write": NO_CALLBACK },
  "src/cli/serving/server-process.ts": { "crashed.then": "Promise.race() handles its rejection" },
  "src/cli/telemetry/telemetry-sdk.ts": { setTimeout: SETTLES },
  "src/common/clock.ts": { setTimeout: "who schedules guards it; each use of a clock is checked here" },

  // ---- Sources that are being changed: their entries are to be deleted with the faults ---------------------
  "src/client/near-cache/revalidation.ts": { "clock.schedule": CLIENT_CLOCK },
  "src/client/operations/loader.ts": {
    "runLoader().then": "the load's promise is given to its callers",
    "ended.then": "being changed",
    "void ended.then": "being changed",
  },
  "src/client/operations/run-loader.ts": { "running.then": "runWithin() handles its rejection" },
  "src/client/operations/runner.ts": {
    "signal.addEventListener": "being changed",
    "this.#trace.end": NO_CALLBACK,
  },
  "src/client/operations/singleflight.ts": {
    "running.result.then": "being changed",
    "signal.addEventListener": "being changed",
    "this.#deps.clock.schedule": CLIENT_CLOCK,
  },
  "src/cli/telemetry/thread-metrics/collection.ts": {
    "port.on": "being changed",
    "void answer": "being changed",
    "clock.schedule": SETTLES,
  },
};

const sources = ROOMS.flatMap((room) =>
  readdirSync(room, { recursive: true, encoding: "utf8" }).map((name) => join(room, name)),
)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => ({ file, text: readFileSync(file, "utf8") }));
const dataTypes = dataTypesOf(sources.map(({ text }) => text));
const violations = sources.flatMap(({ file, text }) => violationsIn(file, text, dataTypes));

function excuse({ file, what }: Violation): string | undefined {
  return exceptions[file]?.[what];
}

describe("callbacks that bytes from outside can reach", () => {
  it("pass through the boundary", () => {
    expect(sources.length).toBeGreaterThan(200);
    expect(violations.filter((violation) => excuse(violation) === undefined)).toEqual([]);
  });

  it("need every exception in the list", () => {
    const needed = new Set(violations.map(({ file, what }) => `${file}: ${what}`));
    const listed = Object.entries(exceptions).flatMap(([file, reasons]) =>
      Object.keys(reasons).map((what) => `${file}: ${what}`),
    );
    expect(listed.filter((entry) => !needed.has(entry))).toEqual([]);
  });
});

describe("callbacks that do not pass through the boundary are found", () => {
  it.each([
    // Listeners.
    ['fresh.on("data", () => parse());', "fresh.on"],
    ['fresh.once("close", gone);', "fresh.once"],
    ['fresh?.on("message", gone);', "fresh.on"],
    ['this.#fresh.addListener("end", this.#gone);', "this.#fresh.addListener"],
    ['fresh.prependListener("end", gone);', "fresh.prependListener"],
    ['fresh.prependOnceListener("end", gone);', "fresh.prependOnceListener"],
    ['fresh.on("data", makeListener());', "fresh.on"],
    ['fresh.on("data", parse.bind(fresh));', "fresh.on"],
    ['fresh.on("data", /* boundary.contain(fresh) */ parse);', "fresh.on"],
    ['fresh.on("data", parse); log("contain(fresh)");', "fresh.on"],
    ['boundary.contain(other); fresh.on("data", parse);', "fresh.on"],
    ['signal.addEventListener("abort", () => stop());', "signal.addEventListener"],
    ['signal.addEventListener("abort", stop, { once: true });', "signal.addEventListener"],
    ["port.onmessage = (event) => take(event);", "port.onmessage"],
    ["port.onmessageerror = take;", "port.onmessageerror"],
    // Timers and turns.
    ["clock.schedule(10, () => close());", "clock.schedule"],
    ["this.#clock.schedule(10, close, true);", "this.#clock.schedule"],
    ["setImmediate(() => close());", "setImmediate"],
    ["setTimeout(close, 10);", "setTimeout"],
    ["setInterval(close, 10);", "setInterval"],
    ["queueMicrotask(close);", "queueMicrotask"],
    ["process.nextTick(close);", "process.nextTick"],
    ["socket.setTimeout(10, close);", "socket.setTimeout"],
    ["let run = boundary.guard(socket, close); run = close; setImmediate(run);", "setImmediate"],
    ["setImmediate(isOpen ? boundary.guard(socket, close) : close);", "setImmediate"],
    // Completions.
    ["socket.write(bytes, () => release());", "socket.write"],
    ["socket.write(bytes, release);", "socket.write"],
    ['socket.write(text, "utf8", this.#release);', "socket.write"],
    ["socket.write(bytes, makeRelease());", "socket.write"],
    ["socket.end(release);", "socket.end"],
    ["socket.end(bytes, release);", "socket.end"],
    ["wire.sendData(bytes, release);", "wire.sendData"],
    ["session.ping(release);", "session.ping"],
    ["session.ping(payload, (error) => release(error));", "session.ping"],
    ["session.settings({}, release);", "session.settings"],
    ["session.close(release);", "session.close"],
    ["function send(bytes: Buffer, taken: () => void) { socket.write(bytes, taken); }", "socket.write"],
    ["function send(bytes: Buffer, taken: Taken) { socket.write(bytes, taken); }", "socket.write"],
    // Connections, names and streams.
    ["createServer((socket) => serve(socket));", "createServer"],
    ["net.createServer({ noDelay: true }, serve);", "net.createServer"],
    ['import { createServer as make } from "node:net"; make(serve);', "make"],
    ["http2.createSecureServer({}, serve);", "http2.createSecureServer"],
    ["net.connect(80, () => begin());", "net.connect"],
    ["net.createConnection(80, begin);", "net.createConnection"],
    ["server.listen({ port }, () => ready());", "server.listen"],
    ["server.listen(ready);", "server.listen"],
    ["zlib.gunzip(bytes, (error, plain) => take(plain));", "zlib.gunzip"],
    ["inflate(bytes, {}, take);", "inflate"],
    ["dns.lookup(host, (error, address) => dial(address));", "dns.lookup"],
    ["lookup(host, dial);", "lookup"],
    ["pipeline(source, sink, (error) => finish(error));", "pipeline"],
    ["stream.finished(source, finish);", "stream.finished"],
    // Promises.
    ["work().then(take);", "work().then"],
    ["work().then((value) => take(value), undefined);", "work().then"],
    ["work().catch(report).then(take);", "work().catch().then"],
    ["const taken = work().then(take);", "work().then"],
    ["work().finally(leave);", "work().finally"],
    ["work().then(take, null);", "work().then"],
    ["new Promise((resolve) => work().then(resolve));", "work().then"],
    ["jobs.forEach((job) => job.work().then(take));", "job.work().then"],
    ["void work();", "void work"],
    ["void this.#work();", "void this.#work"],
    ["void (async () => { await work(); })();", "void ArrowFunctionExpression"],
    ["async function work() {} work();", "void work"],
    // Promises that a callback returns to nobody.
    ["boundary.guard(undefined, async () => work());", "async boundary.guard"],
    ["async function work() {} boundary.guard(undefined, work);", "async boundary.guard"],
    ["async function work() {} this.guard(() => work());", "async this.guard"],
    ['boundary.contain(fresh).on("data", async () => {});', "async boundary.contain().on"],
    ['boundary.contain(fresh); fresh.on("data", async (chunk) => take(chunk));', "async fresh.on"],
    ["boundary.guard(socket, () => work().then(take));", "work().then"],
    ["boundary.guard(socket, () => { return work().then(take); });", "work().then"],
  ])("%s", (line, what) => {
    const found = violationsIn("src/server/new-file.ts", `const a = 1;\n${line}\n`);
    expect(found).toContainEqual({ file: "src/server/new-file.ts", line: 2, what });
  });
});

describe("good forms are not reported", () => {
  it.each([
    'fresh.on("data", boundary.guard(fresh, () => parse()));',
    'fresh.on("data", this.guard(parse));',
    'const listen = guard(undefined, parse); fresh.on("data", listen);',
    'boundary.contain(fresh); fresh.on("data", () => parse());',
    'const fresh = boundary.contain(make()); fresh.once("data", parse);',
    'this.#fresh = boundary.contain(make()); this.#fresh.on("data", parse);',
    "requests.once(namespace, key, () => run());",
    'signal.addEventListener("abort", boundary.guard(undefined, stop));',
    "port.onmessage = boundary.guard(undefined, take);",
    "port.onmessage = null;",
    "clock.schedule(10, boundary.guard(socket, close));",
    "setImmediate(this.guard(() => close()), 1);",
    "socket.setTimeout(10);",
    "socket.write(bytes);",
    "socket.write(bytes, boundary.guard(socket, release));",
    'socket.write(text, "utf8");',
    "function send(at: number) { buffer.write(text, at); }",
    "function send(error: CacheError | undefined) { call.end(error); }",
    "socket.end(goAway(code));",
    "span.end(STATUS_OK);",
    "session.close();",
    "createServer((socket) => boundary.guard(socket, serve)(socket));",
    "server.listen({ port }, boundary.guard(undefined, ready));",
    "zlib.gunzip(bytes, boundary.guard(undefined, take));",
    "work().then(take, refuse);",
    "work().then(take).catch(report);",
    "work().then(take).finally(leave).catch(report);",
    "const run = async () => { await work().then(take); };",
    "function run() { return work().then(take); }",
    "const run = () => work().then(take);",
    "void work().catch(report);",
    "void work().then(take, refuse);",
    "void 0;",
    "async function work() {} const run = async () => { await work(); };",
  ])("%s", (line) => {
    expect(violationsIn("src/server/new-file.ts", line)).toEqual([]);
  });
});
