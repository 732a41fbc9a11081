/** A field of one line, whose text a signal has. */
import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Field } from "./parts.tsx";

export interface TextFieldProps {
  readonly label: string;
  readonly text: Signal<string>;
  /** Names of the cache: of fixed width, and without help of the browser. */
  readonly isName?: boolean;
  readonly isRequired?: boolean;
  readonly grow?: boolean;
  readonly isSearch?: boolean;
  readonly placeholder?: string;
  /** The id of a list of suggestions, which `children` has. */
  readonly list?: string;
  readonly children?: ComponentChildren;
}

export function TextField(props: TextFieldProps) {
  const { label, text, isName = false, isRequired = false, isSearch = false, grow = false } = props;
  return (
    <Field label={label} grow={grow}>
      <input
        {...(props.list === undefined ? {} : { list: props.list })}
        {...(props.placeholder === undefined ? {} : { placeholder: props.placeholder })}
        class={isName ? "mono" : ""}
        type={isSearch ? "search" : "text"}
        required={isRequired}
        spellcheck={!isName}
        autocomplete="off"
        value={text.value}
        onInput={(event) => {
          text.value = event.currentTarget.value;
        }}
      />
      {props.children}
    </Field>
  );
}
