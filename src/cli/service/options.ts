/** Options of several commands. The error of each parser says which values it takes. */

import { Argument, InvalidArgumentError, Option } from "commander";
import { LONGEST_WAIT_MS } from "../../common/longest-wait.ts";
import type { Terminal } from "../output/terminal.ts";
import { toVariable } from "../settings/names.ts";
import { parseCount, parseDurationMs } from "../settings/quantity.ts";

/** For the help of a command that takes times. */
export const TIME_HELP = "A time needs a unit: ms, s, m or min, h, or d. Only 0 may be without one.";

const TIME_EXAMPLES = '"250ms", "30s", "5min", "1h" or "7d"';

/** An option whose default is in the environment, such as MESHCACHE_ADDRESS. */
export function environmentOption(
  flags: `--${string} <${string}>`,
  description: string,
  { env }: Pick<Terminal, "env">,
  fallback: string,
): Option {
  const option = new Option(flags, description);
  const variable = `MESHCACHE_${option.attributeName().toUpperCase()}`;
  // Not commander's env(), which reads the environment of the process and not that of the terminal.
  return option.default(env[variable] || fallback, `$${variable}, or "${fallback}"`);
}

/** A text that has no default but that of the environment: "--tls-ca <file>" and MESHCACHE_TLS_CA. */
export function fileOption(
  flags: `--${string} <${string}>`,
  description: string,
  { env }: Pick<Terminal, "env">,
): Option {
  const option = new Option(flags, description);
  const variable = toVariable(option.attributeName());
  return option.default(env[variable] || undefined, `$${variable}`);
}

/** What is off unless its flag is given, or its variable is "true". */
export function switchOption(
  flag: `--${string}`,
  description: string,
  { env }: Pick<Terminal, "env">,
): Option {
  const option = new Option(flag, description);
  const variable = toVariable(option.attributeName());
  return option.default(env[variable] === "true", `$${variable}`);
}

/** A time as milliseconds. It needs a unit: "60" would mean seconds to one reader and milliseconds to another. */
function parseTime(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined) throw new InvalidArgumentError(`It must be a time with a unit: ${TIME_EXAMPLES}.`);
  if (ms !== 0 && /\d$/.test(text.trim())) {
    const number = text.trim();
    throw new InvalidArgumentError(`It needs a unit: ${number}s for seconds, ${number}ms for milliseconds.`);
  }
  return ms;
}

/** A time with a unit; a plain 0 is one too. */
export function durationOption(flags: string, description: string, fallback?: string): Option {
  const option = new Option(flags, description).argParser(parseTime);
  return fallback === undefined ? option : option.default(parseTime(fallback), fallback);
}

export function countOption(
  flags: string,
  description: string,
  [min, max]: readonly [min: number, max: number],
  fallback?: number,
): Option {
  const option = new Option(flags, description).argParser((text: string) => {
    const count = parseCount(text);
    if (count === undefined || count < min || count > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return count;
  });
  return fallback === undefined ? option : option.default(fallback);
}

/** A share, from 0 to 1. */
export function shareOption(flags: string, description: string, fallback: number): Option {
  return new Option(flags, description).default(fallback).argParser((text: string) => {
    const share = /^\d*\.?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(share >= 0 && share <= 1)) throw new InvalidArgumentError("It must be a number from 0 to 1.");
    return share;
  });
}

const UINT64_MAX = 0xffff_ffff_ffff_ffffn;

/** A 64-bit id or version, decimal or hexadecimal with 0x. Not 0, which means "none" in a message. */
export function uint64Option(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string) => {
    const value = /^(?:\d+|0x[\da-f]+)$/i.test(text) ? BigInt(text) : 0n;
    if (value === 0n || value > UINT64_MAX)
      throw new InvalidArgumentError("It must be a whole number from 1 to 2^64 - 1.");
    return value;
  });
}

function parseInt64(text: string): bigint {
  const value = /^-?\d+$/.test(text) ? BigInt(text) : undefined;
  if (value === undefined || BigInt.asIntN(64, value) !== value)
    throw new InvalidArgumentError("It must be a whole number from -2^63 to 2^63 - 1.");
  return value;
}

/** A 64-bit number with a sign. */
export function int64Option(flags: string, description: string, fallback: string): Option {
  return new Option(flags, description).argParser(parseInt64).default(parseInt64(fallback), fallback);
}

/** As `int64Option`, without a name. */
export function int64Argument(name: string, description: string, fallback: string): Argument {
  return new Argument(name, description).argParser(parseInt64).default(parseInt64(fallback), fallback);
}

/** How long a call may take, at most as long as an operation of the client library may. */
export function timeoutOption(flags: string, description: string, fallback: string): Option {
  return new Option(flags, description).default(parseTime(fallback), fallback).argParser((text) => {
    const ms = parseTime(text);
    if (ms < 1 || ms > LONGEST_WAIT_MS)
      throw new InvalidArgumentError('It must be a time from "1ms" to "10min".');
    return ms;
  });
}

/** An option that may be repeated. */
export function listOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string, list: readonly string[] | undefined) => [
    ...(list ?? []),
    text,
  ]);
}
