import { describe, expect, it } from "vitest";
import { networkOf } from "../../src/common/peer-network.ts";

describe("the network of an address", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::1", "::1"],
    ["2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"],
    ["2001:DB8::1:0:0:5", "2001:db8:0:0::/64"],
    ["2001:db8::5", "2001:db8:0:0::/64"],
    ["2001:db8:1:2:3::", "2001:db8:1:2::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["", "unknown"],
    ["cache.example", "unknown"],
  ])("of %s is %s", (host, network) => {
    expect(networkOf(host)).toBe(network);
  });
});
