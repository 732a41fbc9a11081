/**
 * Encodes the frames of event streams. Subscribers share messages, so each is encoded once: the bytes of an event are
 * kept as long as the event, those of a frame's events as long as the read that they come from. The result is byte
 * for byte that of the generated encoder.
 */
import { Buffer } from "node:buffer";
import {
  type Event,
  EventSchema,
  type Events,
  type ExchangeResponse,
  ExchangeResponseSchema,
  type StreamResponse,
  StreamResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { LENGTH_DELIMITED, VARINT, varintBytes } from "./fast/wire-format.ts";
import { GrpcFrame, PREFIX_BYTES, writePrefix } from "./framing/grpc-frame.ts";
import { encodeFrame, encodeMessage } from "./messages.ts";

/** The tags of the fields, which are all numbered below 16: one byte each. */
const tag = (field: number, wireType: number): number => (field << 3) | wireType;
const EXCHANGE_EVENTS = tag(4, LENGTH_DELIMITED);
const EXCHANGE_SEQUENCE = tag(9, VARINT);
const STREAM_EVENTS = tag(2, LENGTH_DELIMITED);
const STREAM_SEQUENCE = tag(6, VARINT);
const EVENTS_EVENTS = tag(1, LENGTH_DELIMITED);
const EVENTS_CURSOR = tag(2, LENGTH_DELIMITED);

export function encodeExchangeResponse(response: ExchangeResponse): GrpcFrame {
  const { frame, id, sequence, more } = response;
  if (frame.case !== "events" || id !== 0n || more) return encodeFrame(ExchangeResponseSchema, response);
  return encodeEventsFrame(EXCHANGE_EVENTS, frame.value, EXCHANGE_SEQUENCE, Number(sequence));
}

export function encodeStreamResponse(response: StreamResponse): GrpcFrame {
  const { frame, sequence } = response;
  if (frame.case !== "events") return encodeFrame(StreamResponseSchema, response);
  return encodeEventsFrame(STREAM_EVENTS, frame.value, STREAM_SEQUENCE, Number(sequence));
}

/** Tags, lengths, and the numbers of a frame. */
const MESSAGE_OVERHEAD_BYTES = 32;

function encodeEventsFrame(
  eventsTag: number,
  events: Events,
  sequenceTag: number,
  sequence: number,
): GrpcFrame {
  const body = encodeBody(events);
  const sequenceBytes = sequence === 0 ? 0 : 1 + varintBytes(sequence);
  const messageBytes = 1 + varintBytes(body.length) + body.length + sequenceBytes;
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + messageBytes);
  writePrefix(frame, 0, messageBytes);
  let at = writeHeader(frame, PREFIX_BYTES, eventsTag, body.length);
  frame.set(body, at);
  at += body.length;
  if (sequence !== 0) writeHeader(frame, at, sequenceTag, sequence);
  return new GrpcFrame(frame);
}

/** What a message with these events takes, at most. They are encoded by it, once for all subscribers. */
export function eventsMessageBytes(events: Events): number {
  return encodeBody(events).length + MESSAGE_OVERHEAD_BYTES;
}

const encodedBodies = new WeakMap<Events, Buffer>();

/** The message Events, encoded once for all subscribers that share a read. */
function encodeBody(events: Events): Buffer {
  let body = encodedBodies.get(events);
  if (body === undefined) {
    body = concatEvents(events);
    encodedBodies.set(events, body);
  }
  return body;
}

function concatEvents({ events, cursor }: Events): Buffer {
  const pieces = events.map(encodeEvent);
  let bodyBytes = fieldBytes(cursor.length);
  for (const piece of pieces) bodyBytes += 1 + varintBytes(piece.length) + piece.length;
  const body = Buffer.allocUnsafe(bodyBytes);
  let at = 0;
  for (const piece of pieces) {
    at = writeHeader(body, at, EVENTS_EVENTS, piece.length);
    body.set(piece, at);
    at += piece.length;
  }
  if (cursor.length > 0) {
    at = writeHeader(body, at, EVENTS_CURSOR, cursor.length);
    body.set(cursor, at);
  }
  return body;
}

const encodedEvents = new WeakMap<Event, Buffer>();

function encodeEvent(event: Event): Buffer {
  let bytes = encodedEvents.get(event);
  if (bytes === undefined) {
    bytes = encodeMessage(EventSchema, event);
    encodedEvents.set(event, bytes);
  }
  return bytes;
}

/** Bytes of a length-delimited field with a one-byte tag; 0 when it is empty, since it is left out. */
function fieldBytes(length: number): number {
  return length === 0 ? 0 : 1 + varintBytes(length) + length;
}

/** Writes a tag and a varint. Returns the position after them. */
function writeHeader(into: Buffer, at: number, tagByte: number, value: number): number {
  let position = into.writeUInt8(tagByte, at);
  let rest = value;
  while (rest >= 0x80) {
    position = into.writeUInt8((rest % 0x80) | 0x80, position);
    rest = Math.floor(rest / 0x80);
  }
  return into.writeUInt8(rest, position);
}
