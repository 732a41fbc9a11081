/**
 * Every callback that bytes from outside can reach passes through the boundary, and every promise has a rejection
 * handler, or an exception says why not. Each kind of violation is planted and found, and each good form is not.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exceptions } from "./boundary-exceptions.ts";
import { dataTypesOf } from "./callback-kinds.ts";
import { type Violation, violationsIn } from "./callbacks.ts";

const ROOMS = [
  "src/server",
  "src/http2",
  "src/codec",
  "src/rpc",
  "src/client",
  "src/store",
  "src/tier",
  "src/telemetry",
  "src/cli/serving",
  "src/cli/telemetry",
  "src/common",
  "src/responses",
  "src/http-proxy",
];

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
    ['boundary.contain(make()); make().on("data", parse);', "make().on"],
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
    [
      "function send(taken = boundary.guard(socket, release)) { socket.write(bytes, taken); }",
      "socket.write",
    ],
    [
      "const taken = boundary.guard(socket, release); function send({ taken }: Sent) { socket.write(bytes, taken); }",
      "socket.write",
    ],
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
    'boundary.contain(make()).on("data", parse);',
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
    "function send(at = 0) { buffer.write(text, at); }",
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
