/** Whose an address is, as far as it tells: one host may have all addresses of its IPv6 network. */
import { isIPv4, isIPv6 } from "node:net";

const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;
const GROUPS = 8;
/** The part of an IPv6 address that names the network: 64 bits (RFC 4291, section 2.5.4). */
const NETWORK_GROUPS = 4;

/** "192.0.2.1", "2001:db8:0:1::/64", or "unknown" for what is no IP address. */
export function networkOf(host: string): string {
  const address = host.split("%")[0] ?? "";
  const [, mapped] = MAPPED.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  if (isIPv4(address)) return address;
  if (!isIPv6(address)) return "unknown";
  if (address === "::1") return address;
  const [front = "", back] = address.split("::").map((part) => part.split(":").filter(Boolean));
  const groups = [...front, ...Array(GROUPS).fill("0")].slice(
    0,
    back === undefined ? GROUPS : GROUPS - back.length,
  );
  const network = [...groups, ...(back ?? [])].slice(0, NETWORK_GROUPS);
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}
