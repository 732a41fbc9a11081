/** A list of rows of one height of which only the visible ones exist, so that thousands scroll smoothly. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

export interface LongListProps<Row> {
  readonly label: string;
  readonly rows: readonly Row[];
  readonly rowHeightPx: number;
  readonly show: (row: Row, topPx: number) => ComponentChildren;
  /** True while the first row is visible. */
  readonly onTop: (isAtTop: boolean) => void;
}

/** Rows above and below the visible ones, so that scrolling shows no holes. */
const MARGIN_ROWS = 8;

export function LongList<Row>({ label, rows, rowHeightPx, show, onTop }: LongListProps<Row>) {
  const box = useRef<HTMLDivElement>(null);
  const scrolled = useSignal(0);
  const height = useSignal(600);
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const resizing = new ResizeObserver(() => {
      height.value = element.clientHeight;
    });
    resizing.observe(element);
    return () => resizing.disconnect();
  }, [height]);
  useEffect(() => {
    onTop(scrolled.value < rowHeightPx);
  }, [scrolled.value < rowHeightPx, onTop]);

  const from = Math.max(0, Math.floor(scrolled.value / rowHeightPx) - MARGIN_ROWS);
  const to = Math.min(rows.length, Math.ceil((scrolled.value + height.value) / rowHeightPx) + MARGIN_ROWS);
  return (
    <section
      class="events"
      ref={box}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: It scrolls, by keyboard too.
      tabIndex={0}
      aria-label={label}
      onScroll={(event) => {
        scrolled.value = event.currentTarget.scrollTop;
      }}
    >
      <div class="all" style={{ height: `${rows.length * rowHeightPx}px` }}>
        {rows.slice(from, to).map((row, index) => show(row, (from + index) * rowHeightPx))}
      </div>
    </section>
  );
}
