/** Adds to a counter whose value is shown. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { type Incremented, NotIncremented_Reason } from "../../../gen/meshcache/v1/cache_pb.ts";
import { type Problem, toProblem } from "../data/problem.ts";
import { toDelta } from "../format/counter.ts";
import { usePage } from "../ui/page.ts";
import { Notice } from "../ui/parts.tsx";
import { TextField } from "../ui/text-field.tsx";

const REFUSALS: Readonly<Partial<Record<NotIncremented_Reason, string>>> = {
  [NotIncremented_Reason.ABSENT]: "The counter is gone or stale. Nothing was added.",
  [NotIncremented_Reason.NOT_A_COUNTER]: "The value is no counter any more. Nothing was added.",
  [NotIncremented_Reason.OVERFLOW]: "The sum would have more than 64 bits. Nothing was added.",
};

export interface CounterProps {
  readonly namespace: string;
  readonly entryKey: string;
  readonly onAdded: (counter: Incremented) => void;
  readonly onRefused: () => void;
}

export function Counter({ namespace, entryKey, onAdded, onRefused }: CounterProps) {
  const { api, session, newRequestId } = usePage();
  const text = useSignal("1");
  const isBusy = useSignal(false);
  const problem = useSignal<Problem | undefined>(undefined);
  /** What was asked and not answered: asked again, it is added once. */
  const open = useRef<{ readonly delta: bigint; readonly requestId: bigint } | undefined>(undefined);
  const delta = toDelta(text.value);
  const readOnly = session.readOnlyBecause("write");

  async function add(): Promise<void> {
    if (delta === undefined) return;
    const requestId = open.current?.delta === delta ? open.current.requestId : newRequestId();
    open.current = { delta, requestId };
    isBusy.value = true;
    try {
      const { outcome } = await api.cache.increment({
        namespace,
        key: entryKey,
        delta,
        requestId,
        condition: { case: "ifPresent", value: true },
      });
      open.current = undefined;
      problem.value = undefined;
      if (outcome.case === "incremented") return onAdded(outcome.value);
      const reason = outcome.value?.reason ?? NotIncremented_Reason.UNSPECIFIED;
      problem.value = { kind: "refused", text: REFUSALS[reason] ?? "Nothing was added." };
      onRefused();
    } catch (cause) {
      problem.value = toProblem(cause);
    } finally {
      isBusy.value = false;
    }
  }

  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void add();
      }}
    >
      {readOnly !== undefined && <Notice tone="plain">{readOnly}</Notice>}
      {problem.value !== undefined && <Notice tone="bad">{problem.value.text}</Notice>}
      <div class="form">
        <TextField label="Add to this counter" text={text} isName isRequired />
        <button
          type="submit"
          class="button"
          disabled={readOnly !== undefined || isBusy.value || delta === undefined}
        >
          Add
        </button>
        {delta === undefined && (
          <span class="soft small">A whole number of 64 bits; negative: what is taken away.</span>
        )}
      </div>
    </form>
  );
}
