/**
 * Throws on a Node that is too old. An entry of the package imports it first, for its effect: it is evaluated before what
 * the entry imports next, which fails on such a Node in ways that nobody understands.
 */
import { nodeComplaint } from "./node-version.ts";

const complaint = nodeComplaint(process.versions.node);
if (complaint !== undefined) throw new Error(`meshcache ${complaint}`);
