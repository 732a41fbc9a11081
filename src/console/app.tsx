/** The frame of the page: who answers, which view is shown, and what stands above it when something is wrong. */
import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import type { Problem } from "./data/problem.ts";
import { toDuration } from "./format/numbers.ts";
import { type Page, PageContext, usePage } from "./ui/page.ts";
import { Notice } from "./ui/parts.tsx";
import { SignIn } from "./ui/sign-in.tsx";
import { ClientsView } from "./views/clients.tsx";
import { EntryView } from "./views/entry.tsx";
import { EventsView } from "./views/events.tsx";
import { KeysView } from "./views/keys.tsx";
import { NamespacesView } from "./views/namespaces.tsx";
import { NowView } from "./views/now.tsx";
import { SettingsView } from "./views/settings.tsx";

interface View {
  readonly name: string;
  /** On narrow screens too. */
  readonly title: string;
  readonly content: ComponentType;
}

const NOW: View = { name: "now", title: "Now", content: NowView };

const VIEWS: readonly View[] = [
  NOW,
  { name: "namespaces", title: "Namespaces", content: NamespacesView },
  { name: "clients", title: "Clients", content: ClientsView },
  { name: "keys", title: "Keys", content: KeysView },
  { name: "entry", title: "Entry", content: EntryView },
  { name: "events", title: "Events", content: EventsView },
  { name: "settings", title: "Settings", content: SettingsView },
];

const viewOf = (hash: string): View => VIEWS.find(({ name }) => `#${name}` === hash) ?? NOW;

const shown = signal(viewOf(globalThis.location.hash));
globalThis.addEventListener("hashchange", () => {
  shown.value = viewOf(globalThis.location.hash);
  document.querySelector("main")?.focus({ preventScroll: true });
  globalThis.scrollTo(0, 0);
});

export function App({ page }: { page: Page }) {
  return (
    <PageContext.Provider value={page}>
      <Frame />
    </PageContext.Provider>
  );
}

function Frame() {
  const { session, overview } = usePage();
  useEffect(() => {
    const ends = [session.caller.start(), session.server.start(), overview.poll.start()];
    return () => {
      for (const end of ends) end();
    };
  }, [session, overview]);
  const { title, content: Content } = shown.value;
  useEffect(() => {
    document.title = `${title} · meshcache`;
  }, [title]);
  const isUnknown = session.caller.problem.value?.kind === "unauthenticated";
  return (
    <div class="shell">
      <button type="button" class="skip" onClick={() => document.querySelector("main")?.focus()}>
        Skip to the content
      </button>
      <Bar />
      <nav class="views" aria-label="Views">
        <ul>
          {VIEWS.map((view) => (
            <li key={view.name}>
              <a href={`#${view.name}`} {...(view === shown.value ? { "aria-current": "page" } : {})}>
                {view.title}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main id="main" tabIndex={-1}>
        <div class="view">
          <Trouble />
          {isUnknown ? <SignIn /> : <Content key={title} />}
        </div>
      </main>
    </div>
  );
}

/** The problem of the page as a whole: the server does not answer. */
function reachProblem({ session, overview }: Page): Problem | undefined {
  const problem = session.caller.problem.value ?? overview.poll.problem.value;
  return problem?.kind === "unreachable" ? problem : undefined;
}

function Bar() {
  const page = usePage();
  const { session, overview } = page;
  const server = session.server.answer.value;
  const uptimeMs = overview.poll.answer.value?.stats.uptimeMs;
  const [tone, word] =
    reachProblem(page) !== undefined
      ? ["bad", "Disconnected"]
      : session.caller.problem.value?.kind === "unauthenticated"
        ? ["warn", "Not signed in"]
        : session.caller.answer.value === undefined
          ? ["warn", "Connecting"]
          : ["good", "Connected"];
  return (
    <header class="bar">
      <a class="brand" href="#now">
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <rect width="32" height="32" rx="7" fill="#1f6feb" />
          <path d="M8 10h6v12H8zM18 10h6v5h-6zM18 17h6v5h-6z" fill="#fff" />
        </svg>
        meshcache
      </a>
      <div class="about">
        {server !== undefined && <span class="wide">version {server.serverVersion}</span>}
        {uptimeMs !== undefined && <span class="wide">up for {toDuration(Number(uptimeMs))}</span>}
        {session.caller.answer.value?.readOnly && <span class="badge">read-only</span>}
        <span class={`status ${tone}`} role="status">
          {word}
        </span>
      </div>
    </header>
  );
}

function Trouble() {
  const page = usePage();
  const problem = reachProblem(page);
  if (problem === undefined) return null;
  const hasNumbers = page.overview.poll.answer.value !== undefined;
  return (
    <Notice tone="bad">
      {problem.text} The page tries again every few seconds.
      {hasNumbers && " What is below was read before."}
    </Notice>
  );
}
