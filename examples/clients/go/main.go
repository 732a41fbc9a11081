// A client of meshcache in Go, generated from cache.proto alone: fills a key under a lease, reads it,
// invalidates its tag and watches the invalidation arrive; then counts, and lists keys.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	meshcache "example.com/meshcache-client/gen/meshcache/v1"
)

func main() {
	address := "127.0.0.1:50051"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(transport()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cache := meshcache.NewCacheServiceClient(connection)

	stream, err := cache.Stream(ctx, &meshcache.StreamRequest{Namespace: "users"})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil { // Opened: from here on nothing is missed
		log.Fatal(err)
	}

	lease, err := cache.Lease(ctx, &meshcache.LeaseRequest{Namespace: "users", Key: "user:1", WaitMs: 1000})
	if err != nil {
		log.Fatal(err)
	}
	if granted := lease.GetGranted(); granted != nil {
		_, err := cache.Set(ctx, &meshcache.SetRequest{
			Namespace: "users", Key: "user:1", Value: []byte("Ada"), TtlMs: 60_000, Tags: []string{"tenant:7"},
			Condition: &meshcache.SetRequest_LeaseToken{LeaseToken: granted.Token},
		})
		if err != nil {
			log.Fatal(err)
		}
	}

	get := &meshcache.GetRequest{Namespace: "users", Key: "user:1"}
	answer, err := cache.Get(ctx, get)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("hit: %s\n", answer.GetHit().GetValue())

	_, err = cache.Invalidate(ctx, &meshcache.InvalidateRequest{
		Namespace: "users",
		Target:    &meshcache.InvalidateRequest_Tags{Tags: &meshcache.TagList{Tags: []string{"tenant:7"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for invalidated := false; !invalidated; {
		frame, err := stream.Recv()
		if err != nil {
			log.Fatal(err)
		}
		for _, event := range frame.GetEvents().GetEvents() {
			invalidated = invalidated || event.GetTag() == "tenant:7"
		}
	}
	fmt.Println("invalidated: tag tenant:7")

	answer, err = cache.Get(ctx, get)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("miss: %t\n", answer.GetMiss() != nil)

	count(ctx, cache, "visits:home")
	list(ctx, cache, "visits:")
}

// Adds 1 to a counter, which a Get reads as decimal text.
func count(ctx context.Context, cache meshcache.CacheServiceClient, key string) {
	// Sent again with the same id, it adds once.
	answer, err := cache.Increment(ctx, &meshcache.IncrementRequest{
		Namespace: "users", Key: key, Delta: 1, TtlMs: 60_000, RequestId: rand.Uint64(),
	})
	if err != nil {
		log.Fatal(err)
	}
	if refused := answer.GetNotIncremented(); refused != nil {
		log.Fatal(refused.Reason)
	}
	fmt.Printf("counted: %d\n", answer.GetIncremented().Value)
}

// Prints the keys with a prefix, page by page, and removes them. A page may be empty and not the last one.
func list(ctx context.Context, cache meshcache.CacheServiceClient, prefix string) {
	for page := (&meshcache.ListKeysRequest{Namespace: "users", Prefix: prefix}); ; {
		answer, err := cache.ListKeys(ctx, page)
		if err != nil {
			log.Fatal(err)
		}
		for _, info := range answer.Keys {
			fmt.Printf("listed: %s, a value of %d B\n", info.Key, info.ValueBytes)
		}
		if page.PageToken = answer.NextPageToken; len(page.PageToken) == 0 {
			break
		}
	}
	target := &meshcache.InvalidateRequest_Prefix{Prefix: prefix}
	if _, err := cache.Invalidate(ctx, &meshcache.InvalidateRequest{Namespace: "users", Target: target}); err != nil {
		log.Fatal(err)
	}
}

// Mutual TLS where MESHCACHE_TLS_CA, MESHCACHE_TLS_CERT and MESHCACHE_TLS_KEY name files.
func transport() credentials.TransportCredentials {
	path := os.Getenv("MESHCACHE_TLS_CA")
	if path == "" {
		return insecure.NewCredentials()
	}
	authorities, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	certificate, err := tls.LoadX509KeyPair(os.Getenv("MESHCACHE_TLS_CERT"), os.Getenv("MESHCACHE_TLS_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authorities)
	return credentials.NewTLS(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certificate}})
}
