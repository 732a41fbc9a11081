/** The callbacks and promises that need no boundary, and why. `boundary-use.test.ts` holds each entry to be needed. */

/** Reasons by what a violation names, by file. */
type Exceptions = Record<string, Record<string, string>>;

const CALL_STREAM = "guardStreams contains it, or it is a ManyStreamsStream, which does so itself";
const OF_READER = "#tell contains what the reader and its listeners throw";
const TAKEN = "every caller of the file passes a guarded one";
const NO_CALLBACK = "takes a status, an error or data, no callback";
const MAIN_THREAD = "the main thread's own orders; no bytes from outside";
const SETTLES = "only settles a promise";
const OF_APPLICATION = "what the application's own callbacks throw ends its process, as without a cache";
const CLIENT_CLOCK = "the client guards every timer of its clock";

export const exceptions: Exceptions = {
  "src/server/server.ts": {
    "connections.listen": NO_CALLBACK,
    "listener.listen": NO_CALLBACK,
    "drainServer().then": "drain() returns it",
  },
  "src/server/maintenance.ts": {
    setImmediate: "has its own catch, since it must go on",
    "clock.schedule": "what it runs has its own catch, since it must go on",
  },
  "src/server/shutdown.ts": { "clock.schedule": SETTLES },
  "src/server/calls/registry.ts": { "call.span.end": NO_CALLBACK },
  "src/server/connections/accelerated-connections.ts": {
    "socket.once": "contained when it was accepted",
  },
  "src/server/connections/http2-sessions.ts": {
    "http2Server.on":
      "emits only inside of its sessions, which are contained, and while a socket is accepted",
  },
  "src/server/connections/listener.ts": { "listener.once": SETTLES, "listener.listen": SETTLES },
  "src/server/connections/tls-handshakes.ts": { "socket.once": "contained when it was accepted" },
  "src/server/fast/call.ts": { "this.span.end": NO_CALLBACK },
  "src/server/fast/accelerator.ts": { "connection.once": "guards its listener" },
  "src/server/fast/many-streams-session.ts": {
    "socket.on": "ManyStreamsConnection contains it",
    "this.socket.on": "ManyStreamsConnection contains it",
    "this.#wire.streams.close": NO_CALLBACK,
    "this.#wire.streams.sendData": TAKEN,
  },
  "src/server/fast/many-streams-stream.ts": {
    "this.close": NO_CALLBACK,
    "this.write": TAKEN,
    "process.nextTick": OF_READER,
    "this.#listeners().on": OF_READER,
    "this.#listeners().once": OF_READER,
  },
  "src/server/fast/keepalive.ts": {
    "connection.ping": "runs in a listener of the socket, which is contained",
  },
  "src/server/fast/single-stream-session.ts": {
    "socket.on": "SingleStreamConnection contains it",
    "this.#wire.sendData": TAKEN,
  },
  "src/server/fast/single-stream.ts": {
    "this.session.sendData": TAKEN,
    "this.write": TAKEN,
  },
  "src/server/grpc-js/interceptor.ts": {
    "stream.on": CALL_STREAM,
    "stream.once": CALL_STREAM,
    setImmediate: "closes a stream, which throws nothing",
    "this.#register.end": NO_CALLBACK,
    "this.span.end": NO_CALLBACK,
  },
  "src/server/grpc-js/internals.ts": {
    "http2Server.on": "its listener has its own catch",
    "void Reflect.apply": "what listens to events of streams, which returns nothing",
  },
  "src/server/services/health.ts": { "call.end": NO_CALLBACK },
  "src/server/services/reflection.ts": { "call.end": NO_CALLBACK },
  "src/server/streams/stream-registry.ts": { "stream.end": NO_CALLBACK },
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
  "src/http2/open-streams.ts": { "this.close": NO_CALLBACK },
  "src/http2/request-data.ts": { "this.#streams.close": NO_CALLBACK },
  "src/http2/single-stream.ts": { "socket.write": "ControlFrames guards it" },
  "src/http2/frame-writer.ts": {
    "this.#socket.write": TAKEN,
    "process.nextTick": "what it runs is guarded",
  },
  "src/codec/fast/codecs.ts": { "codec.write": NO_CALLBACK },
  "src/rpc/client.ts": {
    "call.once": "only cancels the call, which has ended",
    "signal.addEventListener": "only cancels the call",
    "client.waitForReady": SETTLES,
  },
  "src/client/event-subscriptions.ts": {},
  "src/client/process-defaults.ts": {
    queueMicrotask: "the flush is guarded",
    nextTick: "the flush is guarded",
  },
  "src/client/sync.ts": {
    "clock.schedule": CLIENT_CLOCK,
  },
  "src/client/event-reporter.ts": { "this.#clock.schedule": CLIENT_CLOCK },
  "src/client/api/timeouts.ts": { "clock.schedule": CLIENT_CLOCK },
  "src/client/connection/barriers.ts": {
    "stream.ping": "runs while the stream reads, in a listener that is contained",
  },
  "src/client/connection/connection.ts": { "this.#deps.clock.schedule": CLIENT_CLOCK },
  "src/client/connection/deadline-timer.ts": { "this.#clock.schedule": CLIENT_CLOCK },
  "src/client/connection/heartbeat.ts": { "this.#clock.schedule": CLIENT_CLOCK },
  "src/client/connection/reconnection.ts": { "clock.schedule": CLIENT_CLOCK },
  "src/client/connection/store-probe.ts": {
    "clock.schedule": CLIENT_CLOCK,
    "this.#deps.clock.schedule": CLIENT_CLOCK,
  },
  "src/client/connection/stream-handover.ts": { "this.#deps.clock.schedule": CLIENT_CLOCK },
  "src/client/transport/http2-connection.ts": { "socket.on": "SingleStreamConnection contains it" },
  "src/store/events/event-record.ts": { "into.write": NO_CALLBACK },
  "src/cli/serving/server-process.ts": { "crashed.then": "Promise.race() handles its rejection" },
  "src/cli/telemetry/sdk.ts": { setTimeout: SETTLES },
  "src/common/clock.ts": { setTimeout: "who schedules guards it; each use of a clock is checked here" },

  "src/client/near-cache/revalidation.ts": { "clock.schedule": CLIENT_CLOCK },
  "src/client/operations/invalidation-queue.ts": { "clock.schedule": CLIENT_CLOCK },
  "src/client/operations/load-group.ts": { "void this.#loadSoon": "its load handles every failure" },
  "src/client/operations/loader.ts": {
    "ended.then": "only forgets the load",
    "void ended.then": "only forgets the load, whose failure is handled before",
  },
  "src/client/operations/quota-waits.ts": { "clock.schedule": CLIENT_CLOCK },
  "src/client/operations/runner.ts": {
    "this.#trace.end": NO_CALLBACK,
  },
  "src/client/operations/singleflight.ts": {
    "flight.result.then": "the promise is given to its callers",
    "work.then": "the promise is given to its callers",
    "this.#deps.clock.schedule": CLIENT_CLOCK,
  },
  "src/cli/telemetry/thread-metrics/collection.ts": {
    "port.on": "its function handles every failure",
    "void answer": "it handles every failure",
    "clock.schedule": SETTLES,
  },
  "src/responses/connect/interceptor.ts": {
    "signal.addEventListener": SETTLES,
    "promise.then().finally": SETTLES,
  },
  "src/responses/grpc/cached-call.ts": {
    queueMicrotask: OF_APPLICATION,
    "systemClock.schedule": "only queues the end of the call",
    "parent.once": "only queues the end of the call",
  },
  "src/responses/grpc/service-call.ts": { "signal.addEventListener": SETTLES },
  "src/responses/grpc/detached-call.ts": { "signal.addEventListener": OF_APPLICATION },
  "src/responses/grpc/service-wrapper.ts": {
    "void written": "never rejects",
    "call.once": "what it calls never throws",
    "void answer": "what it waits for never rejects, and grpc-js's callback does not throw",
  },
  "src/http-proxy/client-answer.ts": { "span.end": NO_CALLBACK },
  "src/http-proxy/origin-call.ts": { "this.#deps.exchange.end": NO_CALLBACK },
  "src/http-proxy/telemetry/proxy-telemetry.ts": { "span.end": NO_CALLBACK },
  "src/responses/response-cache.ts": { setImmediate: SETTLES },
  "src/responses/sidecar/forward.ts": { "call.end": NO_CALLBACK },
  "src/responses/sidecar/index.ts": { "listener.listen": NO_CALLBACK },
};
