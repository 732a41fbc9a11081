/** An OTLP collector that discards everything, so that sampled spans are encoded and sent as in production. */
import { once } from "node:events";
import { createServer } from "node:http";
import { LOOPBACK } from "../process/loopback.ts";

export interface TelemetrySink extends AsyncDisposable {
  readonly url: string;
}

export async function startTelemetrySink(): Promise<TelemetrySink> {
  const server = createServer((request, response) => {
    request.resume().once("end", () => response.end());
  });
  server.listen(0, LOOPBACK);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port for the telemetry sink");
  return {
    url: `http://${LOOPBACK}:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
