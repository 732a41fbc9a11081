/** What a client receives, for the history. */
import { Event_Kind, type ExchangeResponse } from "../../gen/meshcache/v1/cache_pb.ts";

const kindNames = new Map<number, string>(Object.entries(Event_Kind).map(([name, kind]) => [kind, name]));

export function describeFrame({ frame }: ExchangeResponse): string {
  if (frame.case !== "events") return frame.case ?? "nothing";
  const events = frame.value.events.map(
    ({ kind, target, stamp }) => `${kindNames.get(kind)} ${target.value} ${stamp?.shard}/${stamp?.revision}`,
  );
  return `events: ${events.join(", ")}`;
}
