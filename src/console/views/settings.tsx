/** What runs here, with which settings, and who the person is to the server. */
import { useSignal } from "@preact/signals";
import type { SettingInfo } from "../../../gen/meshcache/v1/admin_pb.ts";
import { NOTHING, plural, toDuration, toHexId, toSize } from "../format/numbers.ts";
import { usePage } from "../ui/page.ts";
import { Denied, Empty, Facts, Heading, Panel, ProblemNotice, Switch } from "../ui/parts.tsx";
import { type Column, Table } from "../ui/table.tsx";
import { TextField } from "../ui/text-field.tsx";
import { theme } from "../ui/theme.ts";
import { Snapshot } from "./snapshot.tsx";

export function SettingsView() {
  return (
    <div class="view">
      <Heading title="Settings">In effect on this server, and where each comes from.</Heading>
      <div class="columns">
        <Server />
        <Snapshot />
        <Caller />
      </div>
      <Settings />
    </div>
  );
}

function Server() {
  const { session, overview } = usePage();
  const server = session.server.answer.value;
  const uptimeMs = overview.poll.answer.value?.stats.uptimeMs ?? server?.uptimeMs;
  return (
    <Panel title="Server">
      {server === undefined ? (
        <p class="soft">Not known.</p>
      ) : (
        <Facts
          facts={[
            ["Version", server.serverVersion],
            ["Running for", uptimeMs === undefined ? NOTHING : toDuration(Number(uptimeMs))],
            ["Workers", String(server.workers)],
            ["Epoch", <code key="epoch">{toHexId(server.epoch)}</code>],
          ]}
        />
      )}
    </Panel>
  );
}

function Caller() {
  const { session, token } = usePage();
  const caller = session.caller.answer.value;
  const list = (permissions: readonly string[]) =>
    permissions.length === 0 ? NOTHING : permissions.join(", ");
  return (
    <Panel title="You and this page">
      <div class="stack">
        {caller !== undefined && (
          <Facts
            facts={[
              ["Principal", caller.principal || "not known to the server"],
              ["May everywhere", list(caller.permissionsEverywhere)],
              [
                "May somewhere",
                list(
                  caller.permissionsSomewhere.filter((one) => !caller.permissionsEverywhere.includes(one)),
                ),
              ],
              ["Changes", caller.readOnly ? "refused: the console is read-only" : "allowed"],
            ]}
          />
        )}
        <div class="form">
          <Switch
            label="Colours"
            chosen={theme.value}
            choices={[
              ["system", "As the system"],
              ["light", "Light"],
              ["dark", "Dark"],
            ]}
            onChoose={(choice) => {
              theme.value = choice;
            }}
          />
          {token.value !== undefined && (
            <button
              type="button"
              class="button"
              onClick={() => {
                token.value = undefined;
                session.caller.refresh();
              }}
            >
              Forget the token
            </button>
          )}
        </div>
      </div>
    </Panel>
  );
}

const COLUMNS: readonly Column<SettingInfo>[] = [
  { title: "Setting", wraps: true, show: ({ name }) => <code>{name}</code>, sort: ({ name }) => name },
  { title: "Value", wraps: true, show: (setting) => <Value setting={setting} /> },
  {
    title: "From",
    wraps: true,
    show: ({ source }) => (isDefault(source) ? <span class="soft">{source}</span> : source),
    sort: ({ source }) => source,
  },
];

/** As the configuration file has it, and sizes and times as people read them. */
function Value({ setting: { name, value } }: { setting: SettingInfo }) {
  if (value === "" || value === '""') return <>{NOTHING}</>;
  const amount = /^\d{4,}$/.test(value) ? Number(value) : undefined;
  const read =
    amount === undefined
      ? undefined
      : name.endsWith("Bytes")
        ? toSize(amount)
        : name.endsWith("Ms")
          ? toDuration(amount)
          : undefined;
  return (
    <>
      <code>{value}</code>
      {read !== undefined && <span class="soft small"> {read}</span>}
    </>
  );
}

const isDefault = (source: string): boolean => source === "default";

function Settings() {
  const { session } = usePage();
  const wanted = useSignal("");
  const which = useSignal<"all" | "changed">("all");
  const { answer, problem } = session.server;
  if (!session.may("observe") || problem.value?.kind === "denied") return <Denied permission="observe" />;
  const settings = answer.value?.settings ?? [];
  const shown = settings
    .filter(({ name }) => name.toLowerCase().includes(wanted.value.trim().toLowerCase()))
    .filter(({ source }) => which.value === "all" || !isDefault(source));
  return (
    <>
      <ProblemNotice problem={problem.value} />
      <Panel>
        {answer.value !== undefined && settings.length === 0 ? (
          <Empty title="No settings">This server was not started by the command line.</Empty>
        ) : (
          <div class="stack">
            <div class="form">
              <TextField label="Name contains" text={wanted} isSearch />
              <Switch
                label="Which settings"
                chosen={which.value}
                choices={[
                  ["all", "All"],
                  ["changed", "Not default"],
                ]}
                onChoose={(choice) => {
                  which.value = choice;
                }}
              />
              <span class="soft small">{plural(shown.length, "setting")}</span>
            </div>
            <Table label="Settings" columns={COLUMNS} rows={shown} id={({ name }) => name} />
          </div>
        )}
      </Panel>
    </>
  );
}
