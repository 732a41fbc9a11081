/** `meshcache proxy --origin` as its command starts it, before a server of meshcache. */
import { SERVER_V8_FLAGS } from "../../src/cli/v8-flags.ts";
import { freePort } from "../../test/support/free-port.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { Session } from "../session.ts";

export interface HttpProxyProcess extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

const program = new URL("../../src/cli/main.ts", import.meta.url);

export async function startProxyProcess(
  session: Session,
  { originPort, cachePort }: { readonly originPort: number; readonly cachePort: number },
): Promise<HttpProxyProcess> {
  const port = await freePort();
  const proxy = session.start("server", program, {
    args: [
      ...["proxy", "--origin", `http://${LOOPBACK}:${originPort}`, "--cache", `${LOOPBACK}:${cachePort}`],
      ...["--listen", `${LOOPBACK}:${port}`, "--admin", `${LOOPBACK}:0`],
    ],
    nodeArgs: [...SERVER_V8_FLAGS],
    stopSignal: "SIGTERM",
  });
  await proxy.line(/listening on/);
  return { pid: proxy.pid, port, [Symbol.asyncDispose]: () => proxy.stop() };
}
