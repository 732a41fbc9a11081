/** Whether the page is as narrow as a telephone, as its style sheets have it. */
import { signal } from "@preact/signals";

const narrow = globalThis.matchMedia("(max-width: 760px)");
const isNarrow = signal(narrow.matches);
narrow.addEventListener("change", () => {
  isNarrow.value = narrow.matches;
});

export const useIsNarrow = (): boolean => isNarrow.value;
