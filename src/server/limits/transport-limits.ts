/** The limits of connections, calls and output queues: their defaults and ranges, and what resolves them. */
import { type Bound, pickWithin } from "../../common/bound.ts";

export interface TransportLimits {
  /** Connections at a time; beyond it a new one is closed at once. Bounds the open watches of health too. */
  readonly connectionsMax: number;
  /** How long a TLS handshake may take. */
  readonly handshakeMaxMs: number;
  /** TLS handshakes under way on each port of a worker; beyond it the oldest is given up. */
  readonly handshakesMax: number;
  /** Concurrent calls of one connection: what its SETTINGS advertise. */
  readonly connectionMaxStreams: number;
  /** Of these the streaming ones. Default: all of them. */
  readonly connectionMaxSubscriptions: number;
  /** A connection without calls is closed after this. */
  readonly connectionIdleMs: number;
  /** A connection is asked to go after this, a tenth more or less. */
  readonly connectionAgeMs: number;
  /** Calls that still run on such a connection are cut after this. */
  readonly connectionGraceMs: number;
  /** How often a connection is pinged. */
  readonly keepaliveTimeMs: number;
  /** A ping without an answer for this long closes the connection. */
  readonly keepaliveTimeoutMs: number;
  /** The longest unary call; a caller's longer deadline is cut to it. */
  readonly callMaxMs: number;
  /** How long a request, or a message of a stream, may take to arrive whole, and a connection to send its first bytes. */
  readonly halfCloseMaxMs: number;
  /** How long a peer may take over one message, an answer or a frame, before its call is cut. */
  readonly stallMaxMs: number;
  /** How long a shutdown waits for calls and streams before it cuts them. */
  readonly drainMaxMs: number;
  /** The HTTP/2 window of a connection, and of each of its streams. */
  readonly flowControlWindowBytes: number;
  /** The headers of one call, as HTTP/2 counts their bytes. */
  readonly headersMaxBytes: number;
  /** The number of headers of one call. */
  readonly headersMaxPairs: number;
  /** PING frames of one connection within a second; Go's clients send one for each round trip. */
  readonly connectionMaxPingsPerSecond: number;
  /** SETTINGS frames of one connection within a second. */
  readonly connectionMaxSettingsPerSecond: number;
  /**
   * Frames of one connection within a second that carry nothing: GOAWAY, PRIORITY, answers to no PING, DATA without
   * content, frames of unknown types, and WINDOW_UPDATE beyond four for each DATA frame that the peer was sent.
   */
  readonly connectionMaxEmptyFramesPerSecond: number;
  /** The bytes of encoded frames of one stream that wait for its peer. */
  readonly queueMaxBytes: number;
  /** The same over all streams of the process. */
  readonly queuesMaxBytes: number;
  /** The bytes of arriving requests, and of answers that were not taken, of one connection. Each is bounded by this. */
  readonly connectionMaxHeldBytes: number;
  /** The bytes of requests, results and answers that the calls of the process hold. */
  readonly heldMaxBytes: number;
  /** The work of one turn of the event loop, in bytes copied. An operation of a batch counts as 4 KiB. */
  readonly turnMaxBytes: number;
  /** A longer delay of the event loop, or a longer wait of a call for its turn, is pressure. */
  readonly shedDelayMs: number;
  /** When pressure has lasted so long, operations are refused. */
  readonly shedAfterMs: number;
  /** The resident memory of the process, at nine tenths of which Sets without a lease are refused. 0: it is not looked at. */
  readonly residentMaxBytes: number;
  /** Events of one frame. */
  readonly frameMaxEvents: number;
  /** Bytes of the events or results of one frame, approximately. */
  readonly frameMaxBytes: number;
  /** How often a Stream gets a Progress frame. */
  readonly progressIntervalMs: number;
  /** Batches of one Exchange that wait for leases. */
  readonly exchangeMaxWaitingBatches: number;
  /** How long a thread polls for the next frame after a batch of 24 operations or more of an Exchange. 0: not at all. */
  readonly busyPollMaxMs: number;
}

type HeldLimits = Pick<TransportLimits, "connectionMaxHeldBytes" | "heldMaxBytes">;

/** Of `heldMaxBytes`: up to it a connection may hold its only request. The rest is for answers. */
const ONLY_REQUEST_PART = 7 / 8;

/** Pings of the server on one connection that wait for their answers. */
export const PINGS_MAX = 10;

/** Streams that a client may open and reset (CVE-2023-44487), or make the server reset, and how many more each second. */
export const RESETS_BURST = 1_000;
export const RESETS_PER_SECOND = 33;

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const STREAMS_BOUND: Bound = { fallback: 256, min: 1, max: 65_536 };

export const TRANSPORT_BOUNDS: Record<keyof TransportLimits, Bound> = {
  connectionsMax: { fallback: 10_000, min: 1, max: 1_000_000 },
  handshakeMaxMs: { fallback: 10_000, min: 10, max: DAY_MS },
  handshakesMax: { fallback: 1_024, min: 1, max: 65_536 },
  connectionMaxStreams: STREAMS_BOUND,
  connectionMaxSubscriptions: STREAMS_BOUND,
  connectionIdleMs: { fallback: 5 * MINUTE_MS, min: 100, max: DAY_MS },
  connectionAgeMs: { fallback: 30 * MINUTE_MS, min: 100, max: DAY_MS },
  connectionGraceMs: { fallback: 30_000, min: 0, max: DAY_MS },
  keepaliveTimeMs: { fallback: MINUTE_MS, min: 100, max: DAY_MS },
  keepaliveTimeoutMs: { fallback: 20_000, min: 100, max: DAY_MS },
  callMaxMs: { fallback: 30_000, min: 10, max: DAY_MS },
  halfCloseMaxMs: { fallback: 10_000, min: 10, max: DAY_MS },
  stallMaxMs: { fallback: 10_000, min: 10, max: DAY_MS },
  drainMaxMs: { fallback: 10_000, min: 0, max: DAY_MS },
  flowControlWindowBytes: { fallback: MIB, min: 64 * KIB - 1, max: 2 ** 31 - 1 },
  headersMaxBytes: { fallback: 16 * KIB, min: KIB, max: MIB },
  headersMaxPairs: { fallback: 64, min: 16, max: 1_024 },
  connectionMaxPingsPerSecond: { fallback: 10_000, min: 1, max: 1_000_000 },
  connectionMaxSettingsPerSecond: { fallback: 100, min: 1, max: 1_000_000 },
  connectionMaxEmptyFramesPerSecond: { fallback: 100, min: 1, max: 1_000_000 },
  queueMaxBytes: { fallback: MIB, min: KIB, max: 64 * MIB },
  queuesMaxBytes: { fallback: 64 * MIB, min: KIB, max: 2 ** 40 },
  connectionMaxHeldBytes: { fallback: 32 * MIB, min: MIB, max: 2 ** 40 },
  heldMaxBytes: { fallback: 128 * MIB, min: MIB, max: 2 ** 40 },
  turnMaxBytes: { fallback: MIB, min: 64 * KIB, max: 2 ** 30 },
  shedDelayMs: { fallback: 50, min: 1, max: DAY_MS },
  shedAfterMs: { fallback: 1_000, min: 0, max: DAY_MS },
  residentMaxBytes: { fallback: 0, min: 0, max: 2 ** 50 },
  frameMaxEvents: { fallback: 512, min: 1, max: 65_536 },
  frameMaxBytes: { fallback: 256 * KIB, min: KIB, max: 2 * MIB },
  progressIntervalMs: { fallback: 5_000, min: 10, max: DAY_MS },
  exchangeMaxWaitingBatches: { fallback: 4_096, min: 1, max: 65_536 },
  busyPollMaxMs: { fallback: 1, min: 0, max: 2 },
};

/** Fills in the defaults. Throws a RangeError that names the field and its range. */
export function resolveTransportLimits(options: Partial<TransportLimits> = {}): TransportLimits {
  // Each stream that is advertised may be a streaming one: a proxy gives a client's stream to any connection with room.
  const { connectionMaxSubscriptions = options.connectionMaxStreams ?? STREAMS_BOUND.fallback } = options;
  const pick = pickWithin(TRANSPORT_BOUNDS, { ...options, connectionMaxSubscriptions });
  return {
    connectionsMax: pick("connectionsMax"),
    handshakeMaxMs: pick("handshakeMaxMs"),
    handshakesMax: pick("handshakesMax"),
    connectionMaxStreams: pick("connectionMaxStreams"),
    connectionMaxSubscriptions: pick("connectionMaxSubscriptions"),
    connectionIdleMs: pick("connectionIdleMs"),
    connectionAgeMs: pick("connectionAgeMs"),
    connectionGraceMs: pick("connectionGraceMs"),
    keepaliveTimeMs: pick("keepaliveTimeMs"),
    keepaliveTimeoutMs: pick("keepaliveTimeoutMs"),
    callMaxMs: pick("callMaxMs"),
    halfCloseMaxMs: pick("halfCloseMaxMs"),
    stallMaxMs: pick("stallMaxMs"),
    drainMaxMs: pick("drainMaxMs"),
    flowControlWindowBytes: pick("flowControlWindowBytes"),
    headersMaxBytes: pick("headersMaxBytes"),
    headersMaxPairs: pick("headersMaxPairs"),
    connectionMaxPingsPerSecond: pick("connectionMaxPingsPerSecond"),
    connectionMaxSettingsPerSecond: pick("connectionMaxSettingsPerSecond"),
    connectionMaxEmptyFramesPerSecond: pick("connectionMaxEmptyFramesPerSecond"),
    queueMaxBytes: pick("queueMaxBytes"),
    queuesMaxBytes: pick("queuesMaxBytes"),
    connectionMaxHeldBytes: pick("connectionMaxHeldBytes"),
    heldMaxBytes: pick("heldMaxBytes"),
    turnMaxBytes: pick("turnMaxBytes"),
    shedDelayMs: pick("shedDelayMs"),
    shedAfterMs: pick("shedAfterMs"),
    residentMaxBytes: pick("residentMaxBytes"),
    frameMaxEvents: pick("frameMaxEvents"),
    frameMaxBytes: pick("frameMaxBytes"),
    progressIntervalMs: pick("progressIntervalMs"),
    exchangeMaxWaitingBatches: pick("exchangeMaxWaitingBatches"),
    busyPollMaxMs: pick("busyPollMaxMs"),
  };
}

/** Of `heldMaxBytes`: the largest message for which there is room when nothing else is held. */
export function onlyRequestMaxBytes(heldMaxBytes: number): number {
  return Math.floor(ONLY_REQUEST_PART * heldMaxBytes);
}

/** The least `heldMaxBytes` with room for a message of this size. */
export function heldBytesFor(requestBytes: number): number {
  return Math.ceil(requestBytes / ONLY_REQUEST_PART);
}

/** Throws a RangeError that names both limits, if the largest request that a server accepts could never arrive. */
export function checkRequestRoom(receiveMaxBytes: number, limits: HeldLimits): void {
  const { connectionMaxHeldBytes, heldMaxBytes } = limits;
  const onlyMaxBytes = onlyRequestMaxBytes(heldMaxBytes);
  const must = `receiveMaxBytes (${receiveMaxBytes}) must not exceed`;
  if (receiveMaxBytes > connectionMaxHeldBytes) {
    throw new RangeError(`${must} connectionMaxHeldBytes (${connectionMaxHeldBytes})`);
  }
  if (receiveMaxBytes > onlyMaxBytes) {
    throw new RangeError(`${must} seven eighths of heldMaxBytes (${heldMaxBytes}), ${onlyMaxBytes}`);
  }
}
