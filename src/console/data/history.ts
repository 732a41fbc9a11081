/** The last minutes of some numbers, as charts draw them: a column of times and one for each number. Bounded. */

/** NaN is not drawn: a line has a hole there. */
export type Point<Name extends string> = Readonly<Record<Name, number>>;

export interface History<Name extends string> {
  readonly length: number;
  add(timeS: number, point: Point<Name>): void;
  /** The times and the columns of these names, oldest first. */
  columns(names: readonly Name[]): (number | null)[][];
}

export function createHistory<Name extends string>(names: readonly Name[], pointsMax: number): History<Name> {
  const times: number[] = [];
  const columns = new Map<Name, (number | null)[]>(names.map((name) => [name, []]));
  return {
    get length() {
      return times.length;
    },
    add(timeS, point) {
      times.push(timeS);
      for (const [name, column] of columns) column.push(Number.isFinite(point[name]) ? point[name] : null);
      if (times.length <= pointsMax) return;
      times.shift();
      for (const column of columns.values()) column.shift();
    },
    columns: (wanted) => [[...times], ...wanted.map((name) => [...(columns.get(name) ?? [])])],
  };
}
