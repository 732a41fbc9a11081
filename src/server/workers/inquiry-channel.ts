/**
 * How the threads of a process ask one another: a question goes to all at once, and each that serves calls answers it. Whoever
 * is busy for long counts as silent.
 */
import { BroadcastChannel } from "node:worker_threads";
import { createBoundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import type { Answer, Inquiry, Question, Respond } from "../services/inquiry.ts";

/** Then a question is answered with the answers that are there. */
const PATIENCE_MS = 1_000;

type Message =
  | { readonly kind: "question"; readonly id: string; readonly question: Question }
  | { readonly kind: "answer"; readonly id: string; readonly answer: Answer };

export interface InquiryChannel {
  /** Asks the threads, and nobody answers here. */
  readonly inquiry: Inquiry;
  /** The same, of a thread that answers too. Once. */
  answering(respond: Respond): Inquiry;
  close(): void;
}

interface Pending {
  readonly answers: Answer[];
  readonly finish: () => void;
}

/** `name`: the same in all threads of the process. `count`: how many answer. */
export function openInquiryChannel(
  name: string,
  count: number,
  clock: Clock,
  logger: Logger,
): InquiryChannel {
  const channel = new BroadcastChannel(name);
  channel.unref();
  const boundary = createBoundary((error) => {
    logger.error({ err: error }, "a question of another thread failed");
  });
  const pending = new Map<string, Pending>();
  let own: Respond | undefined;
  const post = (message: Message) => channel.postMessage(message);

  const take = (id: string, answer: Answer): void => {
    const asked = pending.get(id);
    if (asked === undefined) return;
    asked.answers.push(answer);
    if (asked.answers.length === count) asked.finish();
  };
  channel.onmessage = boundary.guard(undefined, (event: unknown) => {
    const message = messageOf(event);
    if (message?.kind === "answer") take(message.id, message.answer);
    else if (message !== undefined && own !== undefined) {
      post({ kind: "answer", id: message.id, answer: own(message.question) });
    }
  });

  const inquiry: Inquiry = {
    ask(question, done) {
      const id = crypto.randomUUID();
      const answers: Answer[] = [];
      const timer = clock.schedule(
        PATIENCE_MS,
        boundary.guard(undefined, () => finish()),
      );
      const stop = (): void => {
        timer.cancel();
        pending.delete(id);
      };
      let finished = false;
      const finish = (): void => {
        finished = true;
        stop();
        done(answers, count - answers.length);
      };
      pending.set(id, { answers, finish });
      post({ kind: "question", id, question });
      // A channel does not bring a thread what it has sent itself.
      if (own !== undefined) take(id, own(question));
      return finished ? undefined : { cancel: stop };
    },
  };
  return {
    inquiry,
    answering(respond) {
      own = respond;
      return inquiry;
    },
    close: () => channel.close(),
  };
}

/** Only the threads of this process know the name of the channel. */
function messageOf(event: unknown): Message | undefined {
  return event instanceof MessageEvent ? event.data : undefined;
}
