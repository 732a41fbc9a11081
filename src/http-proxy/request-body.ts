/** The body of a request on its way to the origin. An origin that answers before it has read it ends this, and not the client's connection. */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { Boundary } from "../common/boundary.ts";

export function toRequestBody(message: IncomingMessage, boundary: Boundary): Readable {
  boundary.contain(message);
  const push = (chunk: Buffer) => {
    if (!body.push(chunk)) message.pause();
  };
  const end = () => {
    body.push(null);
  };
  const broken = () => {
    if (!message.complete) body.destroy(new Error("the client is gone"));
  };
  const body = boundary.contain(
    new Readable({
      read: () => {
        message.resume();
      },
      destroy: (error, done) => {
        message.off("data", push).off("end", end).off("close", broken);
        done(error);
      },
    }),
  );
  message.on("data", push);
  message.on("end", end);
  message.on("close", broken);
  return body;
}
