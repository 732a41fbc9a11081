/** A key that leads to its entry. The key is in no address of the page. */
import { usePage } from "../ui/page.ts";

export function KeyLink({ namespace, entryKey }: { namespace?: string; entryKey: string }) {
  const page = usePage();
  return (
    <button
      type="button"
      class="button link"
      title="Look the entry up"
      onClick={() => {
        page.namespace.value = namespace ?? page.namespace.value;
        page.key.value = entryKey;
        globalThis.location.hash = "#entry";
      }}
    >
      <span class="mono">{entryKey}</span>
    </button>
  );
}
