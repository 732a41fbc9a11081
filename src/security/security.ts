/** The security of one server: what its options ask for, the files behind it, and their replacement while it runs. */
import { type Bound, pickWithin } from "../common/bound.ts";
import type { Boundary } from "../common/boundary.ts";
import type { Clock } from "../common/clock.ts";
import { fieldInvalid } from "../common/errors.ts";
import { missingProtection } from "./exposure.ts";
import {
  readServerTls,
  type ServerTls,
  type ServerTlsFiles,
  type ServerTlsOptions,
} from "./tls/server-tls.ts";

export interface SecurityOptions {
  /** Default: without TLS. */
  readonly tls?: ServerTlsOptions;
  /** Allows to listen beyond loopback without TLS, where a sidecar or the network encrypts. Default false. */
  readonly plaintext?: boolean;
  /** Allows to listen beyond loopback without knowing who the clients are. Default false. */
  readonly anonymous?: boolean;
  /** How often files are read, to be replaced when they have changed. 100 to 86,400,000; default 10,000. */
  readonly reloadMs?: number;
}

export const SECURITY_BOUNDS: Record<"reloadMs", Bound> = {
  reloadMs: { fallback: 10_000, min: 100, max: 86_400_000 },
};

export interface Security {
  /** Undefined: without TLS. */
  readonly tls: ServerTlsFiles | undefined;
  /** Follows the files from now on. Returns what stops it. */
  watch(deps: SecurityWatchDeps, target: SecurityTarget): () => void;
}

export interface SecurityWatchDeps {
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly logger: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
  };
}

/** What is told of new files. */
export interface SecurityTarget {
  replaceTls(tls: ServerTls): void;
}

/** Reads the files. Throws FIELD_INVALID that names the option, and RangeError for `reloadMs`. */
export function openSecurity(options: SecurityOptions = {}, host: string): Security {
  const everyMs = pickWithin<"reloadMs">(SECURITY_BOUNDS, options)("reloadMs");
  checkExposure(options, host);
  const tls = options.tls && readServerTls(options.tls);
  return {
    tls,
    watch({ clock, boundary, logger }, target) {
      if (tls === undefined) return () => {};
      return tls.watch({
        clock,
        boundary,
        everyMs,
        replaced(value) {
          target.replaceTls(value);
          logger.info(
            { expires: new Date(value.expiresAtMs).toISOString() },
            "the TLS certificate was replaced",
          );
        },
        refused(error) {
          logger.warn({ err: error }, "the new TLS files cannot be used; the last good ones stay in use");
        },
      });
    },
  };
}

function checkExposure({ tls, plaintext = false, anonymous = false }: SecurityOptions, host: string): void {
  const missing = missingProtection({
    host,
    encrypts: tls !== undefined,
    identifies: tls?.clientCa !== undefined,
    plaintext,
    anonymous,
  });
  if (missing === "tls")
    throw fieldInvalid("listen", "a loopback address without security.tls or security.plaintext");
  if (missing === "identity")
    throw fieldInvalid("listen", "a loopback address without security.tls.clientCa or security.anonymous");
}
