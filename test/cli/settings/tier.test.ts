import { describe, expect, it } from "vitest";
import { resolveSettings, SettingsError } from "../../../src/cli/settings/sources.ts";
import { parseTierAddress } from "../../../src/tier/options.ts";
import { machineOf } from "../../support/command-line.ts";

function faultsOf(flags: Record<string, string>): string[] {
  try {
    resolveSettings({ flags, env: {}, filePath: undefined, readFile: () => "", machine: machineOf() });
  } catch (error) {
    if (error instanceof SettingsError)
      return error.faults.map(({ where, message }) => `${where}: ${message}`);
    throw error;
  }
  return [];
}

describe("the settings of a tier", () => {
  const tier = "valkey://10.0.0.1:6379,[::1]:7000";

  it("are taken with several nodes, and start one worker", () => {
    expect(faultsOf({ tier })).toEqual([]);
    const { values } = resolveSettings({
      flags: { tier },
      env: {},
      filePath: undefined,
      readFile: () => "",
      machine: machineOf(),
    });
    expect(values.workers).toBe(1);
    expect(parseTierAddress(values.tier)).toEqual([
      { host: "10.0.0.1", port: 6379 },
      { host: "::1", port: 7000 },
    ]);
  });

  it.each([
    "localhost:6379",
    "valkey://",
    "valkey://localhost",
    "valkey://a:1,",
    "valkey://a:0",
    "http://a:1",
    "valkey://u:p@a:1",
  ])("refuse %s as an address", (address) => {
    expect(faultsOf({ tier: address })).toHaveLength(1);
  });

  it("refuse what a tier does not keep, and more than one worker", () => {
    expect(
      faultsOf({ tier, snapshot: "f", namespaces: '{"a": {"floorBytes": "1MiB"}}', workers: "2" }),
    ).toEqual([
      "--snapshot: snapshot has no meaning with tier: its engine keeps the entries",
      "--namespaces: namespaces cannot be bounded with tier: its engine does not account them",
      "--workers: workers (2) must be 1 with tier: start more servers",
    ]);
  });

  it("refuse what belongs to a tier without one, and what is incomplete", () => {
    expect(faultsOf({ tierUser: "u" })).toEqual(["--tier-user: tierUser needs tier"]);
    expect(faultsOf({ tier, tierUser: "u" })).toEqual(["--tier-user: tierUser needs tierPasswordFile"]);
    expect(faultsOf({ tier, tierCa: "ca.crt" })).toEqual(["--tier-ca: tierCa needs tierTls"]);
    expect(faultsOf({ tier, tierTls: "true", tierCert: "a.crt" })).toEqual([
      "--tier-cert: tierCert and tierKey go together",
    ]);
  });
});
