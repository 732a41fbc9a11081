/** Bounds the frames of a connection that carry nothing of a call, and counts the connections that ended for them. */
import type { Clock } from "../../common/clock.ts";
import { FRAME_KINDS, type FrameKind } from "../../http2/frame.ts";
import { createRateLimiter, createTokenBucket } from "./rate-limiter.ts";
import { RESETS_BURST, RESETS_PER_SECOND, type TransportLimits } from "./transport-limits.ts";

/** Connections that ended since their peer sent too many frames, by the kind of the last frame. */
export interface FrameFloods {
  readonly counts: Readonly<Record<FrameKind, number>>;
  add(kind: FrameKind): void;
}

export type FrameLimits = Pick<
  TransportLimits,
  "connectionMaxPingsPerSecond" | "connectionMaxSettingsPerSecond" | "connectionMaxEmptyFramesPerSecond"
>;

/** False: one frame too many has come, which is counted, and the connection has to end. */
export type FrameGuard = (kind: FrameKind) => boolean;

export function createFrameFloods(): FrameFloods {
  const counts = Object.fromEntries(FRAME_KINDS.map((kind) => [kind, 0])) as Record<FrameKind, number>;
  return {
    counts,
    add(kind) {
      counts[kind] += 1;
    },
  };
}

/** For one connection. */
export function createFrameGuard(limits: FrameLimits, clock: Clock, floods: FrameFloods): FrameGuard {
  const pingAdmits = createRateLimiter(limits.connectionMaxPingsPerSecond, clock);
  const settingsAdmits = createRateLimiter(limits.connectionMaxSettingsPerSecond, clock);
  const resetAdmits = createTokenBucket(RESETS_BURST, RESETS_PER_SECOND, clock);
  const emptyAdmits = createRateLimiter(limits.connectionMaxEmptyFramesPerSecond, clock);
  const admits = (kind: FrameKind): boolean => {
    switch (kind) {
      case "ping":
        return pingAdmits();
      case "settings":
        return settingsAdmits();
      case "reset":
        return resetAdmits();
      case "continuation":
        // It is reported when it was one too many: a header block has a bound of its own.
        return false;
      default:
        return emptyAdmits();
    }
  };
  return (kind) => {
    if (admits(kind)) return true;
    floods.add(kind);
    return false;
  };
}
