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

  it("counts a bounded number of principals, and forgets the one that began first", () => {
    const { lines, clear } = createAudit();
    clear("token:first", 11);
    for (let at = 0; at < 2_047; at += 1) clear(`token:${at}`);
    clear("token:first");
    expect(lines).toHaveLength(10 + 2_047);
    clear("token:one-more");
    clear("token:first");
    expect(lines).toHaveLength(10 + 2_047 + 2);
  });
});
