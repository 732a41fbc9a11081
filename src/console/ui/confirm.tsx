/** A dialog that does nothing until the person has typed what it is about. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface ConfirmProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** What must be typed. */
  readonly typed: string;
  readonly action: string;
  readonly onConfirm: () => void;
  readonly onCancel: () => void;
}

export function Confirm({ title, children, typed, action, onConfirm, onCancel }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const text = useSignal("");
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onClose={onCancel}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.value === typed) onConfirm();
        }}
      >
        <h2 id="confirm-title" class="dialog-title">
          {title}
        </h2>
        {children}
        <label class="field">
          <span>
            Type <code>{typed}</code> to confirm
          </span>
          <input
            class="mono"
            autocomplete="off"
            spellcheck={false}
            value={text.value}
            onInput={(event) => {
              text.value = event.currentTarget.value;
            }}
          />
        </label>
        <div class="actions">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="button danger" disabled={text.value !== typed}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
