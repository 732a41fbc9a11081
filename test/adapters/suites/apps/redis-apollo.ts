/** A GraphQL server whose persisted queries all processes know by Redis. */
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { KeyvAdapter } from "@apollo/utils.keyvadapter";
import KeyvRedis from "@keyv/redis";
import { Keyv } from "keyv";

const keyv = new Keyv(new KeyvRedis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379"));
const server = new ApolloServer({
  typeDefs: "type Query { hello: String }",
  resolvers: { Query: { hello: () => "world" } },
  // It is declared with a copy of Keyv of its own.
  cache: new KeyvAdapter(keyv as never),
});

const { url } = await startStandaloneServer(server, { listen: { port: 0, host: "127.0.0.1" } });
console.log(url);
process.once("SIGTERM", async () => {
  await server.stop();
  await keyv.disconnect();
});
