import { describe, expect, it } from "vitest";
import { type AuditLine, AuditLog } from "../../src/security/access/audit-log.ts";

function createAudit() {
  const lines: (AuditLine & Readonly<Record<string, unknown>>)[] = [];
  const clock = { nowMs: 0 };
  const log = new AuditLog(() => clock.nowMs);
  log.write = (line) => void lines.push({ ...line });
  const clear = (principal: string, times = 1) => {
    for (let at = 0; at < times; at += 1) log.record("cleared", principal, { namespace: "orders" });
  };
  return { lines, clock, log, clear };
}

describe("the audit log", () => {
  it("says who did what, and each kind for itself", () => {
    const { lines, log, clear } = createAudit();
    clear("token:a");
    log.record("denied", "token:a", { permissions: "read" });
    expect(lines).toEqual([
      { audit: "cleared", principal: "token:a", namespace: "orders", unlogged: 0 },
      { audit: "denied", principal: "token:a", permissions: "read", unlogged: 0 },
    ]);
  });

  it("is bounded for each principal, and says later how many lines it left out", () => {
    const { lines, clock, clear } = createAudit();
    clear("token:flood", 1_000);
    expect(lines).toHaveLength(10);
    clear("token:other");
    expect(lines.at(-1)).toMatchObject({ principal: "token:other", unlogged: 0 });
    clock.nowMs = 9_999;
    clear("token:flood");
    expect(lines).toHaveLength(11);
    clock.nowMs = 10_000;
    clear("token:flood", 2);
    expect(lines.slice(11)).toMatchObject([{ unlogged: 991 }, { unlogged: 0 }]);
  });

  it("goes on when the clock is set back", () => {
    const { lines, clock, clear } = createAudit();
    clock.nowMs = 1_000_000;
    clear("token:a", 11);
    clock.nowMs = 0;
    clear("token:a");
    expect(lines).toHaveLength(11);
  });

  it("is bounded for all principals together, for each kind, and says later how many lines it left out", () => {
    const { lines, clock, log, clear } = createAudit();
    for (let at = 0; at < 1_500; at += 1) log.record("denied", `jwt:corp:${at}`, { permissions: "read" });
    expect(lines).toHaveLength(1_000);
    clear("token:a");
    expect(lines.at(-1)).toMatchObject({ audit: "cleared", unlogged: 0 });
    clock.nowMs = 10_000;
    log.record("denied", "jwt:corp:new", { permissions: "read" });
    log.record("denied", "jwt:corp:newer", { permissions: "read" });
    expect(lines.slice(1_001)).toMatchObject([{ unlogged: 500 }, { unlogged: 0 }]);
  });

  it("counts a bounded number of principals, and forgets the one that began first", () => {
    const { lines, clock, clear } = createAudit();
    clear("token:zero");
    clock.nowMs = 5_000;
    clear("token:first", 11);
    for (let at = 0; at < 2_046; at += 1) clear(`token:${at}`);
    // All together may write again, and each is still counted.
    clock.nowMs = 10_000;
    lines.length = 0;
    clear("token:first");
    expect(lines).toEqual([]);
    clear("token:one-more");
    clear("token:first");
    expect(lines).toHaveLength(1);
    clear("token:and-another");
    clear("token:first");
    expect(lines).toHaveLength(3);
  });

  it("says from where somebody came who was not let in, once for each network and reason", () => {
    const { lines, clock, log } = createAudit();
    for (let at = 0; at < 100; at += 1) {
      log.refused("unauthenticated", "192.0.2.1", "absent");
      log.refused("unauthenticated", "192.0.2.1", "expired", { principal: "token:a" });
      log.refused("handshake", "192.0.2.1", "absent");
      log.refused("unauthenticated", "192.0.2.2", "absent");
    }
    const first = { audit: "unauthenticated", from: "192.0.2.1", unlogged: 0 };
    expect(lines).toEqual([
      { ...first, reason: "absent" },
      { ...first, reason: "expired", principal: "token:a" },
      { ...first, audit: "handshake", reason: "absent" },
      { ...first, from: "192.0.2.2", reason: "absent" },
    ]);
    clock.nowMs = 10_000;
    log.refused("unauthenticated", "192.0.2.1", "absent");
    expect(lines.at(-1)).toMatchObject({ unlogged: 99 });
  });

  it("bounds those lines for all networks together, and forgets no principal for them", () => {
    const { lines, log, clear } = createAudit();
    clear("token:a", 10);
    for (let at = 0; at < 3_000; at += 1)
      log.refused("unauthenticated", `10.0.${at >> 8}.${at & 255}`, "absent");
    expect(lines).toHaveLength(110);
    clear("token:a");
    expect(lines).toHaveLength(110);
  });
});
