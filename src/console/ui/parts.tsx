/** The small parts that the views share: tiles, notices, empty states, fields, switches. */
import type { ComponentChildren } from "preact";
import type { Problem } from "../data/problem.ts";

export function Heading({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="heading">
      <h1>{title}</h1>
      {children !== undefined && children !== false && <p>{children}</p>}
    </div>
  );
}

export function Panel({
  title,
  about,
  children,
}: {
  title?: string;
  about?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section class="panel">
      {title !== undefined && (
        <header>
          <h2>{title}</h2>
          {about !== undefined && <span class="soft small">{about}</span>}
        </header>
      )}
      {children}
    </section>
  );
}

/** A number that is read at a glance, and what belongs to it. */
export function Tile({ label, value, note }: { label: string; value: string; note: string }) {
  return (
    <div class="tile">
      <dt>{label}</dt>
      <dd>{value}</dd>
      <dd class="note">{note}</dd>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2 class="empty-title">{title}</h2>
      {children !== undefined && children !== false && <p>{children}</p>}
    </div>
  );
}

/** What a view shows instead of its content when it may not have it. */
export function Denied({ view, permission }: { view?: string; permission: string }) {
  return (
    <>
      {view !== undefined && <Heading title={view} />}
      <Panel>
        <Empty title="Without permission">
          This view needs the permission <code>{permission}</code>, which your identity does not have. The
          policy of the server can give it.
        </Empty>
      </Panel>
    </>
  );
}

export function Notice({ tone, children }: { tone: "warn" | "bad" | "plain"; children: ComponentChildren }) {
  return (
    <div class={`notice ${tone}`} role="status">
      {children}
    </div>
  );
}

/** Why the last call failed, above what is still shown. */
export function ProblemNotice({ problem }: { problem: Problem | undefined }) {
  // The frame of the page says that the server does not answer.
  if (problem === undefined || problem.kind === "unreachable") return null;
  return <Notice tone="bad">{problem.text}</Notice>;
}

/** In the place of what no answer has told yet. */
export function NotRead({ what, problem }: { what: string; problem: Problem | undefined }) {
  return (
    <Panel>
      {problem === undefined ? (
        <Empty title={`Reading the ${what} …`}>A moment.</Empty>
      ) : (
        <Empty title="Nothing was read yet">The {what} will be here when the server answers.</Empty>
      )}
    </Panel>
  );
}

export function Field({
  label,
  grow = false,
  children,
}: {
  label: string;
  grow?: boolean;
  children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: The control is its child.
    <label class={grow ? "field grow" : "field"}>
      <span>{label}</span>
      {children}
    </label>
  );
}

export interface SwitchProps<Choice extends string> {
  readonly label: string;
  readonly choices: readonly (readonly [Choice, string])[];
  readonly chosen: Choice;
  readonly onChoose: (choice: Choice) => void;
}

export function Switch<Choice extends string>({ label, choices, chosen, onChoose }: SwitchProps<Choice>) {
  return (
    <fieldset class="switch" aria-label={label}>
      {choices.map(([choice, text]) => (
        <button
          key={choice}
          type="button"
          class="choice"
          aria-pressed={choice === chosen}
          onClick={() => onChoose(choice)}
        >
          {text}
        </button>
      ))}
    </fieldset>
  );
}

export function Facts({ facts }: { facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => [<dt key={name}>{name}</dt>, <dd key={`${name}-value`}>{value}</dd>])}
    </dl>
  );
}
