import { describe, expect, it } from "vitest";
import {
  DEFAULT_ADDRESS,
  parseListenAddress,
  parseServerAddress,
  toHostPort,
} from "../../src/common/host-port.ts";

describe.each([
  ["parseListenAddress()", parseListenAddress],
  ["parseServerAddress()", parseServerAddress],
])("%s", (_, parse) => {
  it.each([
    ["127.0.0.1:50051", "127.0.0.1", 50_051],
    ["localhost:1", "localhost", 1],
    ["a-b.c_d:65535", "a-b.c_d", 65_535],
    ["[::1]:9464", "::1", 9_464],
    ["[fe80::1%eth0]:80", "fe80::1%eth0", 80],
  ])("takes %s", (text, host, port) => {
    expect(parse(text)).toEqual({ host, port });
    expect(toHostPort(host, port)).toBe(text);
  });

  it.each([
    "",
    "50051",
    ":50051",
    "host",
    "host:",
    "host:-1",
    "host:65536",
    "host:100000",
    "host:1x",
    "host:1/x",
    "host :1",
    " host:1",
    "host:1\n",
    "::1:80",
    "[]:80",
    "[host]:80",
    "[127.0.0.1]:80",
    "[::1]",
    "[:::]:80",
    "[[::1]]:80",
    "http://host:80",
    "dns:///host:80",
  ])("refuses %j", (text) => expect(parse(text)).toBeUndefined());
});

it("port 0 is for listening alone", () => {
  expect(parseListenAddress("localhost:0")).toEqual({ host: "localhost", port: 0 });
  expect(parseServerAddress("localhost:0")).toBeUndefined();
});

it("DEFAULT_ADDRESS is an address to listen on and to call", () => {
  expect(parseListenAddress(DEFAULT_ADDRESS)).toEqual(parseServerAddress(DEFAULT_ADDRESS));
  expect(parseServerAddress(DEFAULT_ADDRESS)).toEqual({ host: "127.0.0.1", port: 50_051 });
});
