/** Asks for a bearer token, where the server wants to know who looks. */
import { useSignal } from "@preact/signals";
import { usePage } from "./page.ts";
import { Field, Heading, Notice, Panel } from "./parts.tsx";

export function SignIn() {
  const { session, token, overview } = usePage();
  const typed = useSignal("");
  return (
    <div class="view">
      <Heading title="Who are you?">This server answers only callers that it knows.</Heading>
      {token.value !== undefined && <Notice tone="bad">The server does not take this token.</Notice>}
      <Panel>
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            token.value = typed.value.trim();
            typed.value = "";
            session.caller.refresh();
            session.server.refresh();
            overview.poll.refresh();
          }}
        >
          <Field label="Token (a JWT or a static token)" grow>
            <input
              type="password"
              required
              autocomplete="off"
              value={typed.value}
              onInput={(event) => {
                typed.value = event.currentTarget.value;
              }}
            />
          </Field>
          <button type="submit" class="button main">
            Use it
          </button>
        </form>
      </Panel>
      <p class="soft">
        The page keeps the token until this tab is closed, and sends it to this server alone. With a client
        certificate in your browser no token is needed.
      </p>
    </div>
  );
}
