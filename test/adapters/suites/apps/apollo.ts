/** A GraphQL server whose persisted queries all processes know. */
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { MeshCache } from "meshcache";
import { createKeyValueCache } from "meshcache/apollo";

const cache = new MeshCache({ address: process.env.MESHCACHE_ADDRESS ?? "127.0.0.1:50051" });
const server = new ApolloServer({
  typeDefs: "type Query { hello: String }",
  resolvers: { Query: { hello: () => "world" } },
  cache: createKeyValueCache({ cache }),
});

const { url } = await startStandaloneServer(server, { listen: { port: 0, host: "127.0.0.1" } });
console.log(url);
process.once("SIGTERM", async () => {
  await server.stop();
  await cache.close();
});
