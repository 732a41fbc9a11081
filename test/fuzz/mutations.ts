/** Mutations of HTTP/2 frames. They depend on a seeded generator alone, so that a seed reproduces a connection. */
import type { Rng } from "../../src/common/random.ts";
import { frameType } from "../../src/http2/frame.ts";
import type { RawFrame } from "./frames.ts";

const STREAM_IDS = [0, 1, 2, 3, 5, 7, 0x7fff_ffff, 0x8000_0001, 0xffff_ffff];
const LENGTHS = [0, 1, 4, 5, 6, 8, 9, 16_384, 16_385, 0xff_ffff];
const CODES = [0, 1, 2, 5, 7, 8, 11, 0xffff_ffff];
const UNKNOWN_TYPES_FROM = 10;
const REPEATS_MAX = 200;

type Mutation = (frames: readonly RawFrame[], rng: Rng) => readonly RawFrame[];

export function below(rng: Rng, bound: number): number {
  return Math.floor(rng.fraction() * bound);
}

export function pick<Item>(rng: Rng, items: readonly Item[]): Item {
  const item = items[below(rng, items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

export function randomBytes(rng: Rng, maxBytes: number): Buffer {
  return Buffer.from(Array.from({ length: below(rng, maxBytes + 1) }, () => below(rng, 256)));
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** A frame of any type. Most are well formed enough to be parsed. */
export function randomFrame(rng: Rng): RawFrame {
  const type = below(rng, UNKNOWN_TYPES_FROM + 3);
  const streamId = pick(rng, STREAM_IDS);
  const flags = rng.fraction() < 0.5 ? 0 : below(rng, 256);
  return { type, flags, streamId, body: randomBody(rng, type) };
}

function randomBody(rng: Rng, type: number): Buffer {
  if (rng.fraction() < 0.2) return randomBytes(rng, 64);
  switch (type) {
    case frameType.resetStream:
      return uint32(pick(rng, CODES));
    case frameType.windowUpdate:
      return uint32(pick(rng, [0, 1, 65_535, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]));
    case frameType.ping:
      return Buffer.alloc(8, below(rng, 256));
    case frameType.goAway:
      return Buffer.concat([uint32(pick(rng, STREAM_IDS)), uint32(pick(rng, CODES)), randomBytes(rng, 16)]);
    case frameType.settings: {
      const pairs = Array.from({ length: below(rng, 6) }, () => {
        const name = pick(rng, [0, 1, 2, 3, 4, 5, 6, 8, 0xf5c1]);
        const value = pick(rng, [0, 1, 2, 100, 16_384, 65_535, 2 ** 24, 0x7fff_ffff, 0xffff_ffff]);
        return Buffer.concat([Buffer.from([name >> 8, name & 0xff]), uint32(value)]);
      });
      return Buffer.concat(pairs);
    }
    default:
      return randomBytes(rng, 200);
  }
}

/** Applies `change` to one frame. */
function onOne(change: (frame: RawFrame, rng: Rng) => RawFrame): Mutation {
  return (frames, rng) => {
    const at = below(rng, frames.length);
    return frames.map((frame, index) => (index === at ? change(frame, rng) : frame));
  };
}

function flipped(body: Buffer, rng: Rng): Buffer {
  const bytes = Buffer.from(body);
  for (let flips = 1 + below(rng, 4); flips > 0 && bytes.length > 0; flips--) {
    const at = below(rng, bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << below(rng, 8));
  }
  return bytes;
}

const mutations: readonly Mutation[] = [
  (frames, rng) => frames.toSpliced(below(rng, frames.length), 1),
  (frames, rng) => frames.toSpliced(below(rng, frames.length + 1), 0, randomFrame(rng)),
  (frames, rng) => {
    const reset = { type: frameType.resetStream, flags: 0, streamId: 1, body: uint32(pick(rng, CODES)) };
    return frames.toSpliced(below(rng, frames.length + 1), 0, reset);
  },
  (frames, rng) => {
    const at = below(rng, frames.length);
    const copies = rng.fraction() < 0.8 ? 1 : below(rng, REPEATS_MAX);
    return frames.toSpliced(at, 0, ...Array.from({ length: copies }, () => frames[at] ?? randomFrame(rng)));
  },
  (frames, rng) => {
    const from = below(rng, frames.length);
    const moved = frames[from];
    return moved === undefined
      ? frames
      : frames.toSpliced(from, 1).toSpliced(below(rng, frames.length), 0, moved);
  },
  onOne((frame, rng) => ({ ...frame, body: flipped(frame.body, rng) })),
  onOne((frame, rng) => ({ ...frame, body: frame.body.subarray(0, below(rng, frame.body.length + 1)) })),
  onOne((frame, rng) => ({ ...frame, body: Buffer.concat([frame.body, randomBytes(rng, 40)]) })),
  onOne((frame, rng) => ({ ...frame, body: randomBody(rng, frame.type) })),
  onOne((frame, rng) => ({ ...frame, flags: frame.flags ^ (1 << below(rng, 8)) })),
  onOne((frame, rng) => ({ ...frame, type: below(rng, UNKNOWN_TYPES_FROM + 2) })),
  onOne((frame, rng) => ({ ...frame, streamId: pick(rng, STREAM_IDS) })),
  onOne((frame, rng) => ({ ...frame, declaredBytes: pick(rng, [...LENGTHS, frame.body.length + 1]) })),
];

/** Applies none to four mutations, one after another. */
export function mutate(frames: readonly RawFrame[], rng: Rng): readonly RawFrame[] {
  let mutated = frames;
  for (let times = below(rng, 5); times > 0 && mutated.length > 0; times--) {
    mutated = pick(rng, mutations)(mutated, rng);
  }
  return mutated;
}
