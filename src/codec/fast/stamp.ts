/** Stamp, which responses and events carry, read and written by hand. */
import type { Stamp } from "../../../gen/meshcache/v1/cache_pb.ts";
import { StampMessage } from "./messages.ts";
import type { WireReader } from "./reader.ts";
import type { WireWriter } from "./writer.ts";

export function readStamp(reader: WireReader): Stamp {
  let epoch = 0n;
  let shard = 0;
  let revision = 0n;
  const outerEnd = reader.enter();
  while (reader.position < reader.end) {
    const tag = reader.tag();
    if (tag === 0x09) epoch = reader.fixed64();
    else if (tag === 0x10) shard = reader.uint32();
    else if (tag === 0x18) revision = reader.uint64();
    else reader.skip(tag, 3);
  }
  reader.leave(outerEnd);
  return new StampMessage(epoch, shard, revision);
}

export function writeStamp(writer: WireWriter, field: number, stamp: Stamp | undefined): void {
  if (stamp === undefined) return;
  const mark = writer.mark();
  writer.uint64(3, stamp.revision);
  writer.uint32(2, stamp.shard);
  writer.fixed64(1, stamp.epoch);
  writer.message(field, mark);
}
