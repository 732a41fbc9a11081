/**
 * The simulated network between clients and one server: connections of two pipes, partitions of either
 * direction, resets, and peers that end without notice. A frame is never changed. The seed decides when it
 * arrives, whether it arrives and which frames arrive together.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ExchangeRequest,
  ExchangeRequestSchema,
  type ExchangeResponse,
  ExchangeResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import type { LinkHandlers, Transport } from "../../src/client/transport/transport.ts";
import { CacheError } from "../../src/common/errors.ts";
import type { Rng } from "../../src/common/random.ts";
import type { ExchangeSession } from "../../src/server/streams/exchange-session.ts";
import type { FrameSink } from "../../src/server/streams/frame-output.ts";
import { createPipe } from "./pipe.ts";
import type { SimulatedProcess } from "./process.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** A server process that listens. */
export interface Listener {
  readonly process: SimulatedProcess;
  accept(sink: FrameSink): ExchangeSession;
}

/** The behaviour of the network for one client. The faults change it. */
export interface Wire {
  upHeld: boolean;
  downHeld: boolean;
  /** How long the client needs for one frame. */
  slowReadMs: number;
  latencyMs: number;
  jitterMs: number;
}

export interface NetworkSettings {
  readonly highWaterFrames: number;
  /** Share of turns in which several frames arrive together. */
  readonly readsTogether: number;
  /** Frames go through the binary codec, as on a real connection, and not by reference. */
  readonly encodes: boolean;
}

/** Gets each frame in the same turn as the client, just before it. */
export type FrameTap = (client: SimulatedProcess, frame: ExchangeResponse, connection: Connection) => void;

export interface Connection {
  readonly client: SimulatedProcess;
  /** Undefined: none has accepted it yet. */
  readonly server: SimulatedProcess | undefined;
  readonly address: string;
  /** A random number of the frames under way still arrive. Both sides learn of the end after the latency. */
  reset(): void;
  /** From now on nothing arrives on either side, and neither is told, until a `reset`. */
  silence(): void;
  /** The server sends Draining. */
  drain(): void;
  poke(): void;
}

export interface Network {
  transport(client: SimulatedProcess, wire: Wire): Transport;
  listener: Listener | undefined;
  /** Another server behind the same addresses. While there is one, every other connection of a client goes there. */
  second: Listener | undefined;
  /** Servers by their addresses. Other addresses lead to `listener`. */
  readonly servers: Map<string, Listener>;
  readonly connections: ReadonlySet<Connection>;
  /** Whether the client has, as far as it knows, an open connection that has reported its catch-up. */
  hasCaughtUp(client: SimulatedProcess): boolean;
  /** Looks for frames that may arrive now, after a change of the network. */
  poke(): void;
}

const SYN = "syn";

export function createNetwork(
  time: VirtualTime,
  rng: Rng,
  settings: NetworkSettings,
  tap: FrameTap,
): Network {
  const connections = new Set<Connection>();
  const lastWentToSecond = new WeakMap<SimulatedProcess, boolean>();
  const caughtUp = new Map<SimulatedProcess, Set<Connection>>();
  const network: Network = {
    listener: undefined,
    second: undefined,
    servers: new Map(),
    connections,
    transport: (client, wire) => ({ open: (address, handlers) => connect(client, address, wire, handlers) }),
    hasCaughtUp: (client) => (caughtUp.get(client)?.size ?? 0) > 0,
    poke() {
      for (const connection of connections) connection.poke();
    },
  };

  const pipeSettings = (wire: Wire, held: () => boolean, frameMs: () => number) => ({
    highWaterFrames: settings.highWaterFrames,
    latencyMs: () => wire.latencyMs + Math.floor(rng.fraction() * wire.jitterMs),
    readsTogether: () => rng.fraction() < settings.readsTogether,
    held,
    frameMs,
  });
  const asSentUp = (frame: ExchangeRequest): ExchangeRequest =>
    settings.encodes ? fromBinary(ExchangeRequestSchema, toBinary(ExchangeRequestSchema, frame)) : frame;
  const asSentDown = (frame: ExchangeResponse): ExchangeResponse =>
    settings.encodes ? fromBinary(ExchangeResponseSchema, toBinary(ExchangeResponseSchema, frame)) : frame;
  const someSurvivors = (): number => Math.floor(rng.fraction() * 4);

  function connect(
    client: SimulatedProcess,
    address: string,
    wire: Wire,
    handlers: LinkHandlers,
  ): ReturnType<Transport["open"]> {
    let server: SimulatedProcess | undefined;
    let session: ExchangeSession | undefined;
    let clientGone = false;
    let serverGone = false;
    let ending: CacheError | undefined = new CacheError("UNAVAILABLE", "the connection was reset");

    function knownToBeUp(): Set<Connection> {
      const known = caughtUp.get(client) ?? new Set();
      caughtUp.set(client, known);
      return known;
    }

    function accept(): void {
      const goesToSecond = network.second !== undefined && !lastWentToSecond.get(client);
      lastWentToSecond.set(client, goesToSecond);
      const listener = goesToSecond ? network.second : (network.servers.get(address) ?? network.listener);
      if (listener === undefined || !listener.process.alive()) {
        connection.reset();
        return;
      }
      server = listener.process;
      const { process } = listener;
      process.deliver(connection, () => {
        session = listener.accept({
          send: (frame) => down.send(asSentDown(frame)),
          end(error) {
            ending = error;
            serverGone = true;
            down.cut(Number.POSITIVE_INFINITY);
            up.cut(0);
            forgetIfDone();
          },
        });
        up.poke();
      });
    }

    const down = createPipe<ExchangeResponse>(
      time,
      pipeSettings(
        wire,
        () => wire.downHeld,
        () => wire.slowReadMs,
      ),
      {
        sender: () => server ?? client,
        receiver: () => client,
        receive(frame) {
          if (clientGone) return;
          tap(client, frame, connection);
          if (frame.frame.case === "progress" || frame.frame.case === "gap") knownToBeUp().add(connection);
          handlers.frame(frame);
        },
        receiverWaits: () => false,
        drained() {
          if (serverGone) return;
          session?.drained();
          up.poke();
        },
        finished() {
          if (clientGone) return;
          clientGone = true;
          knownToBeUp().delete(connection);
          forgetIfDone();
          handlers.closed(ending);
        },
      },
    );

    const up = createPipe<ExchangeRequest | typeof SYN>(
      time,
      pipeSettings(
        wire,
        () => wire.upHeld,
        () => 0,
      ),
      {
        sender: () => client,
        receiver: () => server ?? network.listener?.process ?? client,
        receive(frame) {
          if (frame === SYN) accept();
          else if (!serverGone) session?.receive(frame);
        },
        receiverWaits: () => server !== undefined && (session?.paused() ?? true),
        drained() {
          if (!clientGone) handlers.drained();
        },
        finished() {
          if (serverGone) return;
          serverGone = true;
          forgetIfDone();
          session?.close();
        },
      },
    );

    const connection: Connection = {
      client,
      get server() {
        return server;
      },
      address,
      reset() {
        up.cut(someSurvivors());
        down.cut(someSurvivors());
      },
      silence() {
        up.silence();
        down.silence();
      },
      drain() {
        server?.deliver(connection, () => {
          if (!serverGone) session?.drain();
        });
      },
      poke() {
        up.poke();
        down.poke();
      },
    };
    connections.add(connection);
    const forgetIfDone = (): void => {
      if (clientGone && serverGone) connections.delete(connection);
    };

    up.send(SYN);
    return {
      send: (frame) => up.send(asSentUp(frame)),
      close() {
        if (clientGone) return;
        clientGone = true;
        knownToBeUp().delete(connection);
        forgetIfDone();
        down.cut(0);
        up.cut(someSurvivors());
      },
    };
  }
  return network;
}
