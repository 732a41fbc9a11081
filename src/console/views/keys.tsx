/** Lists the keys of a namespace by a prefix, in pages: how large each entry is, and how long it lives. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { KeyInfo } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { KeyPage } from "../data/key-list.ts";
import { NOTHING, plural, toCount, toDuration, toSize } from "../format/numbers.ts";
import { usePage } from "../ui/page.ts";
import { Denied, Empty, Heading, Panel, ProblemNotice } from "../ui/parts.tsx";
import { type Column, Table } from "../ui/table.tsx";
import { TextField } from "../ui/text-field.tsx";
import { KeyLink } from "./key-link.tsx";

/** `namespace`: of the keys; its field may say another one by now. */
const columnsOf = (namespace: string): readonly Column<KeyInfo>[] => [
  {
    title: "Key",
    wraps: true,
    show: ({ key }) => <KeyLink namespace={namespace} entryKey={key} />,
    sort: ({ key }) => key,
  },
  {
    title: "Value",
    isNumber: true,
    show: ({ absent, valueBytes }) =>
      absent ? (
        <span class="soft" title="The source has no such record">
          absent
        </span>
      ) : (
        toSize(Number(valueBytes))
      ),
    sort: ({ valueBytes }) => valueBytes,
  },
  { title: "Fresh for", isNumber: true, show: (info) => <FreshFor info={info} />, sort: freshMs },
  {
    title: "Stale window",
    isNumber: true,
    show: ({ staleRemainingMs, stale }) =>
      staleRemainingMs > 0n ? toDuration(Number(staleRemainingMs)) : stale ? "no end" : NOTHING,
    sort: ({ staleRemainingMs }) => staleRemainingMs,
  },
  {
    title: "Version",
    isNumber: true,
    show: ({ version }) => toCount(version),
    sort: ({ version }) => version,
  },
];

function freshMs({ stale, ttlRemainingMs }: KeyInfo): number {
  if (stale) return -1;
  return ttlRemainingMs === 0n ? Number.POSITIVE_INFINITY : Number(ttlRemainingMs);
}

function FreshFor({ info: { stale, ttlRemainingMs } }: { info: KeyInfo }) {
  if (stale) return <span class="badge warn">stale</span>;
  return <>{ttlRemainingMs === 0n ? "no end" : toDuration(Number(ttlRemainingMs))}</>;
}

export function KeysView() {
  const { session, keys, namespace } = usePage();
  const prefix = useSignal(keys.page.value?.prefix ?? "");
  const mayInspect = session.may("inspect");
  useEffect(() => {
    if (!mayInspect) keys.clear();
  }, [mayInspect, keys]);
  if (!mayInspect) return <Denied view="Keys" permission="inspect" />;
  const page = keys.page.value;
  const problem = keys.problem.value;
  return (
    <div class="view">
      <Heading title="Keys">
        The keys of a namespace, in no order. Listing is no read, and keeps nothing alive.
      </Heading>
      <Panel>
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            void keys.list(namespace.value.trim(), prefix.value);
          }}
        >
          <TextField label="Namespace" text={namespace} isName isRequired />
          <TextField label="Key begins with" text={prefix} isName grow placeholder="anything" />
          <button type="submit" class="button main" disabled={keys.isBusy.value}>
            List
          </button>
        </form>
      </Panel>
      <ProblemNotice problem={problem} />
      {page !== undefined ? (
        <Listed page={page} />
      ) : (
        (problem === undefined || problem.kind === "unreachable") && (
          <Panel>
            {problem !== undefined ? (
              <Empty title="Nothing was read">List the keys again when the server answers.</Empty>
            ) : keys.isBusy.value ? (
              <Empty title="Reading the keys …">A moment.</Empty>
            ) : (
              <Empty title="No keys listed yet">
                Type a namespace, and what its keys begin with if you know it. A key leads to its entry.
              </Empty>
            )}
          </Panel>
        )
      )}
    </div>
  );
}

function Listed({ page }: { page: KeyPage }) {
  const { namespace, prefix, keys, next, number } = page;
  const isLast = next.length === 0;
  const begin = prefix !== "" && (
    <>
      {" "}
      that begin with <code>{prefix}</code>
    </>
  );
  return (
    <>
      <Panel
        title={namespace}
        about={
          <>
            {plural(keys.length, "key")}
            {begin} on page {toCount(number)}
            {isLast ? ", the last one" : ""}
          </>
        }
      >
        {keys.length > 0 ? (
          <Table label="Keys" columns={columnsOf(namespace)} rows={keys} id={({ key }) => key} />
        ) : isLast ? (
          <Empty title={number === 1 ? "No keys" : "No more keys"}>
            {number === 1 ? "The namespace has no keys" : "The namespace has no more keys"}
            {begin}.
          </Empty>
        ) : (
          <Empty title="None on this page">
            The entries that were looked at are of other namespaces or begin differently. The next page looks
            further.
          </Empty>
        )}
      </Panel>
      {!(isLast && number === 1) && <Pages page={page} />}
    </>
  );
}

function Pages({ page: { namespace, prefix, next, number } }: { page: KeyPage }) {
  const { keys } = usePage();
  const isBusy = keys.isBusy.value;
  return (
    <div class="actions">
      <button
        type="button"
        class="button"
        disabled={isBusy || number === 1}
        onClick={() => void keys.list(namespace, prefix)}
      >
        First page
      </button>
      <button
        type="button"
        class="button"
        disabled={isBusy || next.length === 0}
        onClick={() => void keys.next()}
      >
        Next page
      </button>
    </div>
  );
}
