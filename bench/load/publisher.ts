/** The process that publishes events. */
import { answerCalls } from "../process/worker.ts";
import { type FanOutKind, openPublisher, type Publisher, stampNow } from "./fan-out.ts";

let publisher: Publisher | undefined;

const handlers = {
  async connect(kind: FanOutKind, address: string): Promise<void> {
    publisher = await openPublisher(kind, address);
  },

  /** Publishes one event. Returns its stamp. */
  async publish(): Promise<string> {
    const stamp = stampNow();
    await publisher?.publish(stamp);
    return stamp;
  },
};

export type PublisherLoad = typeof handlers;

answerCalls(handlers);
