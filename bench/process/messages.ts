/** The IPC messages between a bench run and its processes. */

export interface CallMessage {
  readonly id: number;
  readonly method: string;
  readonly input: readonly unknown[];
}

export type ReplyMessage =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };
