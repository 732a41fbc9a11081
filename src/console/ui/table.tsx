/** A table whose columns say how they are shown and sorted. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

export interface Column<Row> {
  readonly title: string;
  /** Stands above the titles of neighbours that have the same. */
  readonly group?: string;
  readonly show: (row: Row) => ComponentChildren;
  /** What rows are sorted by. Without it the column sorts nothing. */
  readonly sort?: (row: Row) => number | string | bigint;
  readonly isNumber?: boolean;
  /** Long text takes several lines. */
  readonly wraps?: boolean;
}

export interface TableProps<Row> {
  /** Names the table for those who do not see it. */
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly id: (row: Row) => string | number;
  /** The title of the column that sorts at first. Without it rows come as they are. */
  readonly sortedBy?: string;
}

type Direction = "ascending" | "descending";

export function Table<Row>({ label, columns, rows, id, sortedBy }: TableProps<Row>) {
  const chosen = useSignal<{ readonly title: string | undefined; readonly direction: Direction }>({
    title: sortedBy,
    direction: "descending",
  });
  const { title, direction } = chosen.value;
  const sort = columns.find((column) => column.title === title)?.sort;
  const sorted = sort === undefined ? rows : rows.toSorted((a, b) => compare(sort(a), sort(b), direction));
  const choose = (column: Column<Row>): void => {
    const isAgain = column.title === title;
    const first: Direction = column.isNumber ? "descending" : "ascending";
    const other: Direction = direction === "descending" ? "ascending" : "descending";
    chosen.value = { title: column.title, direction: isAgain ? other : first };
  };
  return (
    // A wide table scrolls in its box, by keyboard too.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: as above
    <section class="table" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <Groups columns={columns} />
          <tr>
            {columns.map((column) => (
              <th
                key={column.title}
                scope="col"
                class={classOf(column)}
                {...(column.title === title ? { "aria-sort": direction } : {})}
              >
                {column.sort === undefined ? (
                  column.title
                ) : (
                  <button type="button" class="sort" onClick={() => choose(column)}>
                    {column.title}
                  </button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <tr key={id(row)}>
              {columns.map((column, index) =>
                index === 0 ? (
                  <th key={column.title} scope="row" class={classOf(column)}>
                    {column.show(row)}
                  </th>
                ) : (
                  <td key={column.title} class={classOf(column)}>
                    {column.show(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** A row of group names, where there are any. */
function Groups<Row>({ columns }: { columns: readonly Column<Row>[] }) {
  if (columns.every(({ group }) => group === undefined)) return null;
  const spans: { readonly group: string | undefined; count: number }[] = [];
  for (const { group } of columns) {
    const last = spans.at(-1);
    if (last !== undefined && last.group === group) last.count += 1;
    else spans.push({ group, count: 1 });
  }
  return (
    <tr class="groups">
      {spans.map(({ group, count }, index) =>
        group === undefined ? (
          <td key={index} colSpan={count} />
        ) : (
          <th key={group} colSpan={count} scope="colgroup">
            {group}
          </th>
        ),
      )}
    </tr>
  );
}

const classOf = <Row,>({ isNumber, wraps }: Column<Row>): string =>
  [isNumber ? "number" : "", wraps ? "wrap" : ""].join(" ").trim();

function compare(a: number | string | bigint, b: number | string | bigint, direction: Direction): number {
  const order = a < b ? -1 : a > b ? 1 : 0;
  return direction === "ascending" ? order : -order;
}
