/** The host that all benches use. */
export const LOOPBACK = "127.0.0.1";
