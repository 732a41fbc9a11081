/** The process that encodes and decodes 10 KB of JSON, plain or compressed, as the client does in a Set and a Get. */
import { json } from "../../src/client/api/codecs.ts";
import { PACKED_ENCODING, pack, unpack } from "../../src/common/content-encoding.ts";
import { createSeededRng } from "../../src/common/random.ts";
import { answerCalls } from "../process/worker.ts";

export interface CodecWindow {
  /** Of the values, as they are stored. */
  readonly bytes: number;
  readonly encodeMicros: number;
  readonly decodeMicros: number;
}

const VALUE_BYTES = 10_240;
/** No two in a row are the same, and all of them take more than the first caches hold. */
const VALUES = 64;
const VALUE_MAX_BYTES = 2 ** 20;
const CITIES = ["Berlin", "Lisboa", "Kraków", "Toulouse", "Malmö", "Graz", "Gdańsk", "Porto"];

/** A list of orders: names of fields again and again, numbers and times that differ, a few words of a small set. */
function ordersOf(seed: number): unknown {
  const rng = createSeededRng(seed);
  const below = (most: number): number => Math.floor(rng.fraction() * most);
  const orders: unknown[] = [];
  for (let bytes = 0; bytes < VALUE_BYTES; ) {
    const order = {
      id: below(2 ** 31),
      customer: { id: below(1e6), email: `customer${below(1e6)}@example.com`, city: CITIES[below(8)] },
      placedAt: new Date(1.76e12 + below(1e10)).toISOString(),
      paid: rng.fraction() < 0.8,
      items: Array.from({ length: 1 + below(4) }, () => ({
        sku: `SKU-${below(1e4)}`,
        count: 1 + below(9),
        cents: below(1e5),
      })),
    };
    orders.push(order);
    bytes += JSON.stringify(order).length + 1;
  }
  return orders;
}

const codec = json<unknown>();
const identity = (bytes: Uint8Array): Uint8Array => bytes;
const forms = {
  plain: { encode: identity, decode: identity },
  compressed: {
    encode: (bytes: Uint8Array) => pack(bytes) ?? bytes,
    decode: (bytes: Uint8Array) => unpack(bytes, PACKED_ENCODING, VALUE_MAX_BYTES),
  },
};

/** Microseconds of one run. */
function timed(durationMs: number, run: (index: number) => void): number {
  const startedMs = performance.now();
  let runs = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    for (let index = 0; index < VALUES; index++) run(index);
    runs += VALUES;
    elapsedMs = performance.now() - startedMs;
  }
  return (elapsedMs * 1_000) / runs;
}

const handlers = {
  window(form: keyof typeof forms, durationMs: number, seed: number): CodecWindow {
    const { encode, decode } = forms[form];
    const values = Array.from({ length: VALUES }, (_, index) => ordersOf(seed * VALUES + index));
    const encoded = values.map((value) => encode(codec.encode(value)));
    const encodeMicros = timed(durationMs / 2, (index) => encode(codec.encode(values[index])));
    const decodeMicros = timed(durationMs / 2, (index) =>
      codec.decode(decode(encoded[index] ?? new Uint8Array(0))),
    );
    const bytes = encoded.reduce((sum, { length }) => sum + length, 0) / VALUES;
    return { bytes, encodeMicros, decodeMicros };
  },
};

export type CompressionLoad = typeof handlers;

answerCalls(handlers);
