/** Which hosts a proxy answers for: others were sent here by mistake, or by a name that somebody else has pointed here. */
import { isIP } from "node:net";

const HOST = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/;

/** IP addresses, "localhost" and names below it, and those that are given. */
export function createHostCheck(names: readonly string[]): (host: string) => boolean {
  const own = new Set(names.map((name) => name.toLowerCase()));
  return (host) => {
    const [, ipv6, name = ""] = HOST.exec(host) ?? [];
    if (ipv6 !== undefined) return isIP(ipv6) !== 0;
    const lower = name.toLowerCase().replace(/\.$/, "");
    return isIP(lower) !== 0 || lower === "localhost" || lower.endsWith(".localhost") || own.has(lower);
  };
}
