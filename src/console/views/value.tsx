/** The value of an entry: fetched by a click, and shown as JSON, text or hexadecimal. */
import { useSignal } from "@preact/signals";
import { type Problem, toProblem } from "../data/problem.ts";
import { toSize } from "../format/numbers.ts";
import { formsOf, SHOWN_MAX_BYTES, showValue, type ValueForm } from "../format/value.ts";
import { usePage } from "../ui/page.ts";
import { Notice, Panel, Switch } from "../ui/parts.tsx";

const NAMES: Readonly<Record<ValueForm, string>> = { json: "JSON", text: "Text", hex: "Hex" };

export interface ValueProps {
  readonly namespace: string;
  readonly entryKey: string;
  readonly bytes: number;
}

export function ValuePanel({ namespace, entryKey, bytes }: ValueProps) {
  const { api } = usePage();
  const value = useSignal<Uint8Array | undefined>(undefined);
  const chosen = useSignal<ValueForm | undefined>(undefined);
  const problem = useSignal<Problem | undefined>(undefined);

  async function fetchValue(): Promise<void> {
    try {
      const { entry } = await api.admin.inspectEntry({ namespace, key: entryKey, withValue: true });
      value.value = entry?.hit?.value;
      problem.value = entry === undefined ? { kind: "refused", text: "The entry is gone." } : undefined;
    } catch (cause) {
      problem.value = toProblem(cause);
    }
  }

  const forms = value.value === undefined ? [] : formsOf(value.value);
  const form = chosen.value ?? forms[0];
  return (
    <Panel title="Value" about={toSize(bytes)}>
      <div class="stack">
        {problem.value !== undefined && <Notice tone="bad">{problem.value.text}</Notice>}
        {value.value === undefined || form === undefined ? (
          <div>
            <button type="button" class="button" onClick={() => void fetchValue()}>
              Show the value
            </button>
          </div>
        ) : (
          <>
            <div class="form">
              <Switch
                label="Form of the value"
                chosen={form}
                choices={forms.map((one) => [one, NAMES[one]] as const)}
                onChoose={(one) => {
                  chosen.value = one;
                }}
              />
              {value.value.length > SHOWN_MAX_BYTES && (
                <span class="soft small">The first {toSize(SHOWN_MAX_BYTES)}.</span>
              )}
            </div>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: It scrolls, by keyboard too. */}
            <section class="value" tabIndex={0} aria-label="Value">
              <pre>{showValue(value.value, form)}</pre>
            </section>
          </>
        )}
      </div>
    </Panel>
  );
}
