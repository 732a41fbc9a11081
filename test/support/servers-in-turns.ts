/** Several servers of one store that are one server to a test: whoever connects, and each call of its client, meets the next one. */
import type { ServiceClient } from "../../src/rpc/client.ts";
import type { RunningServer } from "./running-server.ts";

export function inTurns(members: readonly RunningServer[]): RunningServer {
  const [first] = members;
  if (first === undefined) throw new Error("there is no server");
  let turns = 0;
  const next = (): RunningServer => members[turns++ % members.length] ?? first;
  const client: ServiceClient = {
    unary: (...call) => next().client.unary(...call),
    serverStream: (...call) => next().client.serverStream(...call),
    bidi: (...call) => next().client.bidi(...call),
    async ready(timeoutMs) {
      await Promise.all(members.map((member) => member.client.ready(timeoutMs)));
    },
    close() {
      for (const member of members) member.client.close();
    },
  };
  return {
    server: first.server,
    servers: members.flatMap(({ servers }) => servers),
    get address() {
      return next().address;
    },
    get port() {
      return next().port;
    },
    client,
    connect: () => next().connect(),
    health: () => next().health(),
    async stop() {
      await Promise.all(members.map((member) => member.stop()));
    },
  };
}
