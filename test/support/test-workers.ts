/** How the servers of a suite run, unless a test says it. Set by the projects of vitest.config.ts. */

import type { Acceleration } from "../../src/server/index.ts";
import { PROXY_KINDS } from "../proxies/programs.ts";

/** How many threads the servers have. */
export const testWorkers = Number(process.env.MESH_TEST_WORKERS ?? 1);

/** The proxy that is in front of each of them, if any. */
export const testProxy = PROXY_KINDS.find((kind) => kind === process.env.MESH_TEST_PROXY);

/** Whether they use the accelerator, likewise. */
export const testAcceleration: Acceleration = process.env.MESH_TEST_ACCELERATION === "off" ? "off" : "on";

/** No bound of these servers reacts to how busy the host of the test is: nothing is shed for a late event loop. */
export const CALM = { shedAfterMs: 86_400_000 };
