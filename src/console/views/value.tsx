/** The value of an entry: fetched by a click, and shown as JSON, text or hexadecimal. */
import { useSignal } from "@preact/signals";
import { type EntryInfo, EntryState } from "../../../gen/meshcache/v1/admin_pb.ts";
import type { Hit, Incremented } from "../../../gen/meshcache/v1/cache_pb.ts";
import { type Problem, toProblem } from "../data/problem.ts";
import { toCounter } from "../format/counter.ts";
import { toSize } from "../format/numbers.ts";
import { formsOf, SHOWN_MAX_BYTES, showValue, type ValueForm } from "../format/value.ts";
import { usePage } from "../ui/page.ts";
import { Notice, Panel, Switch } from "../ui/parts.tsx";
import { Counter } from "./counter.tsx";

const NAMES: Readonly<Record<ValueForm, string>> = { json: "JSON", text: "Text", hex: "Hex" };

export interface ValueProps {
  readonly namespace: string;
  readonly entryKey: string;
  readonly entry: EntryInfo;
  readonly hit: Hit;
  /** The entry is another one by now. */
  readonly onChanged: () => void;
}

interface Fetched {
  readonly bytes: Uint8Array;
  readonly version: bigint;
}

export function ValuePanel({ namespace, entryKey, entry, hit, onChanged }: ValueProps) {
  const { api } = usePage();
  const fetched = useSignal<Fetched | undefined>(undefined);
  const problem = useSignal<Problem | undefined>(undefined);

  async function fetchValue(): Promise<void> {
    try {
      const { entry: found } = await api.admin.inspectEntry({ namespace, key: entryKey, withValue: true });
      fetched.value = found?.hit && { bytes: found.hit.value, version: found.hit.version };
      problem.value = found === undefined ? { kind: "refused", text: "The entry is gone." } : undefined;
    } catch (cause) {
      problem.value = toProblem(cause);
    }
  }

  function added({ value, version }: Incremented): void {
    fetched.value = { bytes: new TextEncoder().encode(String(value)), version };
    onChanged();
  }

  // What was fetched before the entry was set again is another value.
  const shown =
    fetched.value !== undefined && fetched.value.version >= hit.version ? fetched.value.bytes : undefined;
  const isCounter =
    shown !== undefined &&
    hit.contentEncoding === "" &&
    entry.state === EntryState.FRESH &&
    toCounter(shown) !== undefined;
  const size = toSize(Number(entry.valueBytes));
  return (
    <Panel title="Value" about={hit.contentEncoding === "" ? size : `${size}, as ${hit.contentEncoding}`}>
      <div class="stack">
        {problem.value !== undefined && <Notice tone="bad">{problem.value.text}</Notice>}
        {shown === undefined ? (
          <div>
            <button type="button" class="button" onClick={() => void fetchValue()}>
              Show the value
            </button>
          </div>
        ) : (
          <Bytes bytes={shown} />
        )}
        {isCounter && (
          <Counter namespace={namespace} entryKey={entryKey} onAdded={added} onRefused={onChanged} />
        )}
      </div>
    </Panel>
  );
}

function Bytes({ bytes }: { bytes: Uint8Array }) {
  const chosen = useSignal<ValueForm | undefined>(undefined);
  const forms = formsOf(bytes);
  const form = chosen.value !== undefined && forms.includes(chosen.value) ? chosen.value : forms[0];
  if (form === undefined) return null;
  return (
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
        {bytes.length > SHOWN_MAX_BYTES && (
          <span class="soft small">The first {toSize(SHOWN_MAX_BYTES)}.</span>
        )}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: It scrolls, by keyboard too. */}
      <section class="value" tabIndex={0} aria-label="Value">
        <pre>{showValue(bytes, form)}</pre>
      </section>
    </>
  );
}
