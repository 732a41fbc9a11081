/** The entry module of a worker thread of the single executable file. thread-server.ts runs the server. */
import { runThreadServer } from "./thread-server.ts";

void runThreadServer();
