/** Stands for a database. */
export interface User {
  readonly id: string;
  readonly name: string;
  readonly readBy: number;
}

export async function readUser(id: string): Promise<User> {
  return { id, name: "Ada", readBy: process.pid };
}
