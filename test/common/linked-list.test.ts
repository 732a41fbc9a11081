/** The list, held to an array. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Linked, LinkedList } from "../../src/common/linked-list.ts";

interface Item extends Linked<Item> {
  readonly id: number;
}

const itemOf = (id: number): Item => ({ id, older: undefined, newer: undefined });
const idsOf = (list: LinkedList<Item>): number[] => [...list].map(({ id }) => id);

function backwards(list: LinkedList<Item>): number[] {
  const ids: number[] = [];
  for (let item = list.newest; item !== undefined; item = item.older) ids.push(item.id);
  return ids;
}

describe("LinkedList", () => {
  it("has what an array has after any additions and deletions", () => {
    const steps = fc.array(fc.record({ adds: fc.boolean(), id: fc.nat({ max: 7 }) }), { maxLength: 100 });
    fc.assert(
      fc.property(steps, (all) => {
        const items = Array.from({ length: 8 }, (_, id) => itemOf(id));
        const list = new LinkedList<Item>();
        let model: number[] = [];
        for (const { adds, id } of all) {
          const item = items[id] ?? itemOf(id);
          const isIn = model.includes(id);
          expect(list.has(item)).toBe(isIn);
          if (!adds) {
            expect(list.delete(item)).toBe(isIn);
            model = model.filter((other) => other !== id);
          } else if (!isIn) {
            list.add(item);
            model.push(id);
          }
          expect(list.size).toBe(model.length);
          expect(list.oldest?.id).toBe(model[0]);
          expect(list.newest?.id).toBe(model.at(-1));
          expect(idsOf(list)).toEqual(model);
          expect(backwards(list)).toEqual([...model].reverse());
        }
      }),
    );
  });

  it("lets an item be deleted while it is visited", () => {
    const list = new LinkedList<Item>();
    for (const id of [1, 2, 3]) list.add(itemOf(id));
    const visited: number[] = [];
    for (const item of list) {
      visited.push(item.id);
      if (item.id !== 2) list.delete(item);
    }
    expect(visited).toEqual([1, 2, 3]);
    expect(idsOf(list)).toEqual([2]);
  });

  it("leaves no link in what it deletes", () => {
    const list = new LinkedList<Item>();
    const items = [1, 2, 3].map(itemOf);
    for (const item of items) list.add(item);
    for (const item of items) {
      list.delete(item);
      expect(item).toMatchObject({ older: undefined, newer: undefined });
    }
  });
});
