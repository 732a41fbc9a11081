/** What an attack is, and what attacks share. */
import { connectRaw, type RawConnection } from "../support/raw-grpc.ts";

export interface Target {
  readonly address: string;
  readonly port: number;
  readonly adminPort: number;
  /** Aborted when the attack's time is over. */
  readonly over: AbortSignal;
}

export interface Attack {
  readonly name: string;
  /** The line of the list of attacks that it belongs to. */
  readonly line: string;
  readonly about: string;
  run(target: Target): Promise<void>;
}

/** `count` connections, at least one. */
export async function connections(
  { address }: Target,
  count: number,
): Promise<[RawConnection, ...RawConnection[]]> {
  return Promise.all([connectRaw(address), ...Array.from({ length: count - 1 }, () => connectRaw(address))]);
}

/** Calls `once` again and again until the time is over or the connection has ended. */
export async function whileOpen(
  target: Target,
  raw: RawConnection,
  once: () => Promise<unknown>,
): Promise<void> {
  while (!target.over.aborted && !raw.session.closed) await Promise.race([once(), raw.closed]);
}
