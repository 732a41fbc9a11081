/**
 * The simulated network between clients and one server: connections of two pipes, partitions of either
 * direction, resets, and peers that are gone without a word. What a frame is stays whole; when it comes,
 * whether it comes and with what it comes is the seed's.
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

/** How the network treats one client: the faults turn these knobs. */
export interface Wire {
  upHeld: boolean;
  downHeld: boolean;
  /** Milliseconds that the client takes over a frame. */
  slowReadMs: number;
  latencyMs: number;
  jitterMs: number;
}

export interface NetworkSettings {
  readonly highWaterFrames: number;
  /** Share of turns in which several frames come together. */
  readonly readsTogether: number;
  /** Frames go through the binary codec, as on a real wire, instead of by reference. */
  readonly encodes: boolean;
}

/** Sees each frame in the very turn in which the client does, before the client. */
export type FrameTap = (client: SimulatedProcess, frame: ExchangeResponse) => void;

export interface Connection {
  readonly client: SimulatedProcess;
  /** Both sides lose what is under way but a random head of it, and learn of it after the latency. */
  reset(): void;
  /** From now on the two sides cannot hear each other, and nothing tells them, until a `reset`. */
  silence(): void;
  /** The server says that it is about to go. */
  drain(): void;
  poke(): void;
}

export interface Network {
  transport(client: SimulatedProcess, wire: Wire): Transport;
  listener: Listener | undefined;
  readonly connections: ReadonlySet<Connection>;
  /** A connection of the client is up, as far as the client knows, and has told that it has caught up. */
  hasCaughtUp(client: SimulatedProcess): boolean;
  /** Something changed that may let held frames through. */
  poke(): void;
}

const syn = "syn";

export function createNetwork(
  time: VirtualTime,
  rng: Rng,
  settings: NetworkSettings,
  tap: FrameTap,
): Network {
  const connections = new Set<Connection>();
  const caughtUp = new Map<SimulatedProcess, Set<Connection>>();
  const network: Network = {
    listener: undefined,
    connections,
    transport: (client, wire) => ({ open: (_address, handlers) => connect(client, wire, handlers) }),
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
      const { listener } = network;
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
          tap(client, frame);
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

    const up = createPipe<ExchangeRequest | typeof syn>(
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
          if (frame === syn) accept();
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

    up.send(syn);
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
