/**
 * Which Host headers the admin port answers. A page on the web can make a browser connect to any address, by letting its own
 * name point there (DNS rebinding); the header then still has that name.
 */
import { isIP } from "node:net";

const HOST = /^(?:\[([^[\]]+)\]|([^:[\]]+))(?::\d{1,5})?$/;

/**
 * IP addresses and names without a dot: nobody on the web can own one. And `listenHost`, names below "localhost", and those of
 * `hosts`.
 */
export function createHostCheck(listenHost: string, hosts: string): (header: string | undefined) => boolean {
  const names = new Set([listenHost.toLowerCase()]);
  const endings = [".localhost"];
  for (const name of hosts.split(/, ?/)) {
    if (name.startsWith("*.")) endings.push(name.slice(1));
    else names.add(name);
  }
  return (header) => {
    // HTTP/1.0, which health checks of load balancers may speak and no browser does.
    if (header === undefined) return true;
    const [, ipv6, name = ipv6] = HOST.exec(header.toLowerCase()) ?? [];
    if (name === undefined) return false;
    if (ipv6 !== undefined || isIP(name) !== 0) return isIP(name) !== 0;
    const own = name.endsWith(".") ? name.slice(0, -1) : name;
    return !own.includes(".") || names.has(own) || endings.some((ending) => own.endsWith(ending));
  };
}
