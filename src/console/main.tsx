/** Begins the page. */
import { render } from "preact";
import { App } from "./app.tsx";
import { createApi, createPageTransport } from "./data/api.ts";
import { scheduleByTimer } from "./data/poll.ts";
import { createToken } from "./data/session.ts";
import { createPage } from "./ui/page.ts";

const root = document.querySelector("#console");
if (root === null) throw new Error("the page has no place for the console");
const token = createToken(sessionStorage);
const api = createApi(createPageTransport(() => token.value));
const page = createPage({
  api,
  token,
  schedule: scheduleByTimer,
  nowMs: () => Date.now(),
  newRequestId: () => crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n,
});
render(<App page={page} />, root);
