/** The open connections: who they are, what they do, what they subscribe to, how far behind they are. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { type ClientInfo, ClientOrder, type ClientStream } from "../../../gen/meshcache/v1/admin_pb.ts";
import type { Selector } from "../../../gen/meshcache/v1/cache_pb.ts";
import { orNothing, plural, toCount, toDuration, toRate, toSize } from "../format/numbers.ts";
import { usePage } from "../ui/page.ts";
import { Denied, Empty, Heading, Notice, NotRead, Panel, ProblemNotice, Switch } from "../ui/parts.tsx";
import { type Column, Table } from "../ui/table.tsx";
import { usePoll } from "../ui/use-poll.ts";

const INTERVAL_MS = 2_000;
const CLIENTS_MAX = 100;

type Order = "operations" | "lag" | "connected";

const ORDERS: Readonly<Record<Order, ClientOrder>> = {
  operations: ClientOrder.OPERATIONS,
  lag: ClientOrder.LAG,
  connected: ClientOrder.CONNECTED,
};

interface ClientRow {
  readonly client: ClientInfo;
  /** A second. NaN at the first reading. */
  readonly operations: number;
}

const COLUMNS: readonly Column<ClientRow>[] = [
  { title: "Client", wraps: true, show: ({ client }) => <ClientName client={client} /> },
  { title: "Operations", isNumber: true, show: ({ operations }) => orNothing(operations, toRate) },
  { title: "Subscribes to", wraps: true, show: ({ client }) => <Selectors streams={client.streams} /> },
  { title: "Lag", isNumber: true, show: ({ client }) => toCount(lagOf(client)) },
  {
    title: "Overruns",
    isNumber: true,
    show: ({ client }) => toCount(client.streams.reduce((sum, { overruns }) => sum + overruns, 0n)),
  },
  {
    title: "Streams",
    group: "Open",
    isNumber: true,
    show: ({ client }) => toCount(client.streamsTotal),
  },
  { title: "Calls", group: "Open", isNumber: true, show: ({ client }) => toCount(client.openCalls) },
  { title: "Holds", isNumber: true, show: ({ client }) => toSize(Number(client.heldBytes)) },
  { title: "Connected", isNumber: true, show: ({ client }) => toDuration(Number(client.connectedMs)) },
  { title: "Address", wraps: true, show: ({ client }) => <Address client={client} /> },
];

const lagOf = ({ streams }: ClientInfo): number =>
  streams.reduce((most, { lagEvents }) => Math.max(most, Number(lagEvents)), 0);

function ClientName({ client }: { client: ClientInfo }) {
  const ids = [...new Set(client.streams.map(({ clientId }) => clientId).filter((id) => id !== ""))];
  const libraries = new Set(
    client.streams
      .filter(({ library }) => library !== "")
      .map((one) => `${one.library} ${one.libraryVersion}`.trim()),
  );
  return (
    <>
      {ids.length === 0 ? <span class="soft">unnamed</span> : ids.join(", ")}
      {libraries.size > 0 && <div class="soft small">{[...libraries].join(", ")}</div>}
      {client.principal !== "" && <div class="soft small">{client.principal}</div>}
    </>
  );
}

/** Breaks before its port, if it must. */
function Address({ client }: { client: ClientInfo }) {
  const port = client.address.lastIndexOf(":");
  return (
    <>
      <span class="mono">
        {client.address.slice(0, Math.max(0, port))}
        <wbr />
        {client.address.slice(Math.max(0, port))}
      </span>
      <div class="soft small">worker {client.worker}</div>
    </>
  );
}

const SELECTORS_SHOWN = 4;

function Selectors({ streams }: { streams: readonly ClientStream[] }) {
  const selectors = streams.flatMap((stream) => stream.selectors).map(toText);
  const total = streams.reduce((sum, { selectorsTotal }) => sum + selectorsTotal, 0);
  if (total === 0) return <span class="soft">nothing</span>;
  const shown = selectors.slice(0, SELECTORS_SHOWN);
  return (
    <>
      {shown.join(", ")}
      {total > shown.length && <span class="soft"> and {toCount(total - shown.length)} more</span>}
    </>
  );
}

function toText({ namespace, namespaceIsPrefix, prefixes }: Selector): string {
  if (namespaceIsPrefix) return `${namespace}*`;
  return prefixes.length === 0
    ? namespace
    : `${namespace} (${prefixes.map((prefix) => `${prefix}…`).join(", ")})`;
}

export function ClientsView() {
  const { api, session, nowMs } = usePage();
  const order = useSignal<Order>("operations");
  /** Where the page of the list begins. */
  const afterId = useSignal(0n);
  const last = useRef({ atMs: 0, operations: new Map<bigint, bigint>() });
  const poll = usePoll(`${order.value} ${afterId.value}`, INTERVAL_MS, async (signal) => {
    const answer = await api.admin.listClients(
      { clientsMax: CLIENTS_MAX, order: ORDERS[order.value], afterId: afterId.value },
      { signal },
    );
    const { atMs, operations: old } = last.current;
    const now = nowMs();
    const rows = answer.clients.map((client): ClientRow => {
      const before = old.get(client.id);
      const grown = before === undefined ? Number.NaN : Number(client.operations - before);
      return { client, operations: (1_000 * grown) / (now - atMs) };
    });
    last.current = {
      atMs: now,
      operations: new Map(answer.clients.map(({ id, operations }) => [id, operations])),
    };
    return { ...answer, rows };
  });
  if (!session.may("observe") || poll.problem.value?.kind === "denied")
    return <Denied view="Clients" permission="observe" />;
  const answer = poll.answer.value;
  return (
    <div class="view">
      <Heading title="Clients">
        {answer !== undefined && plural(Number(answer.total), "open connection")}
      </Heading>
      <ProblemNotice problem={poll.problem.value} />
      {answer !== undefined && answer.workersSilent > 0 && (
        <Notice tone="warn">
          {plural(answer.workersSilent, "worker")} did not answer in time: its clients are not in the list.
        </Notice>
      )}
      {answer === undefined ? (
        <NotRead what="list" problem={poll.problem.value} />
      ) : answer.total === 0n ? (
        <Panel>
          <Empty title="Nobody is connected">
            Connect a service with <code>meshcache-client</code>, or try <code>meshcache get greeting</code>.
          </Empty>
        </Panel>
      ) : (
        <Panel>
          <div class="stack">
            <div class="form">
              <Switch
                label="Which come first"
                chosen={order.value}
                choices={[
                  ["operations", "Most operations"],
                  ["lag", "Most lag"],
                  ["connected", "Oldest"],
                ]}
                onChoose={(choice) => {
                  order.value = choice;
                  afterId.value = 0n;
                }}
              />
              {Number(answer.total) > answer.clients.length && (
                <span class="soft small">
                  Showing {toCount(answer.clients.length)} of {toCount(answer.total)}.
                </span>
              )}
            </div>
            <Table
              label="Clients"
              columns={COLUMNS}
              rows={answer.rows}
              id={({ client }) => String(client.id)}
            />
          </div>
        </Panel>
      )}
      {answer !== undefined &&
        (answer.nextAfterId !== 0n || afterId.value !== 0n) &&
        order.value === "connected" && (
          <div class="actions">
            <button
              type="button"
              class="button"
              disabled={afterId.value === 0n}
              onClick={() => {
                afterId.value = 0n;
              }}
            >
              First page
            </button>
            <button
              type="button"
              class="button"
              disabled={answer.nextAfterId === 0n}
              onClick={() => {
                afterId.value = answer.nextAfterId;
              }}
            >
              Next page
            </button>
          </div>
        )}
    </div>
  );
}
