/** A connection on which a test writes bytes as it likes. */
import { connect } from "node:net";

/** Writes the text, and resolves with all that came back, once the other side has ended or there are `answers` heads. */
export function exchange(address: string, text: string, answers = Number.POSITIVE_INFINITY): Promise<string> {
  const [host = "", port] = address.split(":");
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), host);
    const received = () => Buffer.concat(chunks).toString("latin1");
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      if (received().split("HTTP/1.1 ").length > answers) socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(received()));
    socket.write(Buffer.from(text, "latin1"));
  });
}

/** The statuses of the answers in it. */
export function statusesIn(received: string): number[] {
  return [...received.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}
