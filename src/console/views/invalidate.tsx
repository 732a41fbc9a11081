/** Invalidates the key that was looked up, a tag or a prefix, after the person has typed what. */
import { type Signal, useSignal } from "@preact/signals";
import { InvalidateRequest_Mode } from "../../../gen/meshcache/v1/cache_pb.ts";
import { type Problem, toProblem } from "../data/problem.ts";
import { plural } from "../format/numbers.ts";
import { Confirm } from "../ui/confirm.tsx";
import { usePage } from "../ui/page.ts";
import { Notice, Panel } from "../ui/parts.tsx";
import { TextField } from "../ui/text-field.tsx";

type Target = "key" | "tag" | "prefix";
type Mode = "hard" | "soft";

const TARGETS: Readonly<Record<Target, string>> = {
  key: "This key",
  tag: "All entries with a tag",
  prefix: "All keys with a prefix",
};

const MODES: Readonly<Record<Mode, string>> = { hard: "Gone", soft: "Stale" };

export interface InvalidateProps {
  readonly namespace: string;
  readonly entryKey: string;
  readonly tags: readonly string[];
  readonly onChanged: () => void;
}

export function Invalidate({ namespace, entryKey, tags, onChanged }: InvalidateProps) {
  const { api, session } = usePage();
  const target = useSignal<Target>("key");
  const mode = useSignal<Mode>("hard");
  const tag = useSignal(tags[0] ?? "");
  const prefix = useSignal(prefixOf(entryKey));
  const isAsking = useSignal(false);
  const problem = useSignal<Problem | undefined>(undefined);
  const done = useSignal<string | undefined>(undefined);
  const names: Readonly<Record<Target, string>> = { key: entryKey, tag: tag.value, prefix: prefix.value };
  const name = names[target.value];
  const readOnly = session.readOnlyBecause("invalidate");

  async function invalidate(): Promise<void> {
    isAsking.value = false;
    done.value = undefined;
    try {
      const { removed, stamps } = await api.cache.invalidate({
        namespace,
        target: toTarget(target.value, name),
        mode: mode.value === "soft" ? InvalidateRequest_Mode.SOFT : InvalidateRequest_Mode.HARD,
      });
      problem.value = undefined;
      done.value =
        target.value === "key"
          ? `Done: ${plural(Number(removed), "entry", "entries")} invalidated.`
          : `Done, in ${plural(stamps.length, "shard")}.`;
      onChanged();
    } catch (cause) {
      problem.value = toProblem(cause);
    }
  }

  return (
    <Panel title="Invalidate">
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          isAsking.value = true;
        }}
      >
        {readOnly !== undefined && <Notice tone="plain">{readOnly}</Notice>}
        <Choices
          legend="What"
          group="target"
          names={TARGETS}
          chosen={target.value}
          isDisabled={readOnly !== undefined}
          onChoose={(choice) => {
            target.value = choice;
          }}
        />
        {target.value === "tag" && <NameField label="Tag" name={tag} suggestions={tags} />}
        {target.value === "prefix" && <NameField label="Prefix" name={prefix} suggestions={[]} />}
        <Choices
          legend="Entries become"
          group="mode"
          names={MODES}
          chosen={mode.value}
          isDisabled={readOnly !== undefined}
          onChoose={(choice) => {
            mode.value = choice;
          }}
        />
        {problem.value !== undefined && <Notice tone="bad">{problem.value.text}</Notice>}
        {done.value !== undefined && <Notice tone="plain">{done.value}</Notice>}
        <div>
          <button type="submit" class="button danger" disabled={readOnly !== undefined || name === ""}>
            Invalidate …
          </button>
        </div>
      </form>
      {isAsking.value && (
        <Confirm
          title={`Invalidate ${target.value === "key" ? "the key" : `the ${target.value}`}?`}
          typed={name}
          action="Invalidate"
          onConfirm={() => void invalidate()}
          onCancel={() => {
            isAsking.value = false;
          }}
        >
          <p>
            In the namespace <code>{namespace}</code>,{" "}
            {target.value === "key" ? "the entry becomes" : "all that match become"}{" "}
            {mode.value === "soft" ? "stale" : "gone"}, here and in the near caches of all clients. Their next
            reads load again from your sources.
          </p>
        </Confirm>
      )}
    </Panel>
  );
}

/** Up to the last separator: "user:17:cart" -> "user:17:". */
const prefixOf = (key: string): string => /^.*[:/.|#-](?=.)/.exec(key)?.[0] ?? key;

function toTarget(target: Target, name: string) {
  switch (target) {
    case "key":
      return { case: "keys" as const, value: { keys: [name] } };
    case "tag":
      return { case: "tags" as const, value: { tags: [name] } };
    case "prefix":
      return { case: "prefix" as const, value: name };
    default:
      return target satisfies never;
  }
}

interface ChoicesProps<Choice extends string> {
  readonly legend: string;
  readonly group: string;
  readonly names: Readonly<Record<Choice, string>>;
  readonly chosen: Choice;
  readonly isDisabled: boolean;
  readonly onChoose: (choice: Choice) => void;
}

function Choices<Choice extends string>({
  legend,
  group,
  names,
  chosen,
  isDisabled,
  onChoose,
}: ChoicesProps<Choice>) {
  return (
    <fieldset disabled={isDisabled}>
      <legend>{legend}</legend>
      <div class="choices">
        {(Object.keys(names) as Choice[]).map((choice) => (
          <label key={choice}>
            <input type="radio" name={group} checked={choice === chosen} onChange={() => onChoose(choice)} />
            {names[choice]}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface NameFieldProps {
  readonly label: string;
  readonly name: Signal<string>;
  readonly suggestions: readonly string[];
}

function NameField({ label, name, suggestions }: NameFieldProps) {
  const id = `names-${label.toLowerCase()}`;
  return (
    <TextField label={label} text={name} isName isRequired list={id}>
      <datalist id={id}>
        {suggestions.map((one) => (
          <option key={one} value={one} />
        ))}
      </datalist>
    </TextField>
  );
}
