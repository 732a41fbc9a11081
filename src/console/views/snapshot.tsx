/** The snapshot that the server began with, and where it writes the next one. */
import { type SnapshotStatus, SnapshotStatus_Outcome } from "../../../gen/meshcache/v1/admin_pb.ts";
import { plural, toDuration, toSize } from "../format/numbers.ts";
import { usePage } from "../ui/page.ts";
import { Facts, Panel } from "../ui/parts.tsx";

export function Snapshot() {
  const { session, overview } = usePage();
  const stats = overview.poll.answer.value?.stats;
  const file = session.server.answer.value?.settings.find(({ name }) => name === "snapshot")?.value;
  if (stats === undefined || file === undefined) return null;
  const { snapshot } = stats;
  return (
    <Panel title="Snapshot">
      {snapshot === undefined ? (
        <p class="soft">
          None: a restart begins with an empty store. The setting <code>snapshot</code> names a file for one.
        </p>
      ) : (
        <Facts
          facts={[
            ["File", <code key="file">{file}</code>],
            ["At the start", toOutcome(snapshot)],
            ...(snapshot.outcome === SnapshotStatus_Outcome.LOADED ? loadedFacts(snapshot) : []),
            ["Next", "written when the server stops in order"],
          ]}
        />
      )}
    </Panel>
  );
}

function loadedFacts({ writtenAtMs, entries, bytes, loadMs }: SnapshotStatus): [string, string][] {
  return [
    ["Written", new Date(Number(writtenAtMs)).toLocaleString()],
    ["Brought", `${plural(Number(entries), "entry", "entries")}, ${toSize(Number(bytes))}`],
    ["Load took", toDuration(Number(loadMs))],
  ];
}

function toOutcome({ outcome, refusal }: SnapshotStatus): string {
  if (outcome === SnapshotStatus_Outcome.LOADED) return "loaded";
  if (outcome === SnapshotStatus_Outcome.NONE) return "there was none: the store began empty";
  return `refused, the store began empty: ${REFUSALS[refusal] ?? refusal}`;
}

const REFUSALS: Readonly<Record<string, string>> = {
  too_old: "it was older than snapshotMaxAgeMs",
  clock: "it was written later than the time of the server's clock",
  used: "it was a copy of one that was loaded before",
  format: "it has another format",
  layout: "it is from another version of the server",
  setting: "the settings have no room for it",
  damaged: "it is damaged",
  io: "it could not be read, or not be put aside",
  unfinished: "the server before was ended while it wrote it",
};
