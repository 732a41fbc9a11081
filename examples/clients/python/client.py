"""A client of meshcache in Python, generated from cache.proto alone: fills a key under a lease, reads it,
invalidates its tag and watches the invalidation arrive; then counts, and lists keys.

    pip install -r examples/clients/python/requirements.txt
    python -m grpc_tools.protoc -I proto --python_out=examples/clients/python --grpc_python_out=examples/clients/python \
        proto/meshcache/v1/cache.proto
    python examples/clients/python/client.py
"""

import os
import secrets
import sys
from pathlib import Path

import grpc

from meshcache.v1 import cache_pb2 as pb
from meshcache.v1 import cache_pb2_grpc


def open_channel(address: str) -> grpc.Channel:
    """Over mutual TLS where MESHCACHE_TLS_CA, MESHCACHE_TLS_CERT and MESHCACHE_TLS_KEY name files."""
    if "MESHCACHE_TLS_CA" not in os.environ:
        return grpc.insecure_channel(address)
    ca, key, cert = (Path(os.environ[f"MESHCACHE_TLS_{name}"]).read_bytes() for name in ("CA", "KEY", "CERT"))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, cert))


def count(cache: cache_pb2_grpc.CacheServiceStub, key: str) -> None:
    """Adds 1 to a counter, which a Get reads as decimal text."""
    # Sent again with the same id, it adds once.
    request = pb.IncrementRequest(
        namespace="users", key=key, delta=1, ttl_ms=60_000, request_id=secrets.randbits(64)
    )
    answer = cache.Increment(request, timeout=5)
    if answer.WhichOneof("outcome") == "not_incremented":
        sys.exit(pb.NotIncremented.Reason.Name(answer.not_incremented.reason))
    print("counted:", answer.incremented.value)


def list_keys(cache: cache_pb2_grpc.CacheServiceStub, prefix: str) -> None:
    """Prints the keys with a prefix, page by page, and removes them. A page may be empty and not the last one."""
    page = pb.ListKeysRequest(namespace="users", prefix=prefix)
    while True:
        answer = cache.ListKeys(page, timeout=5)
        for info in answer.keys:
            print(f"listed: {info.key}, a value of {info.value_bytes} B")
        page.page_token = answer.next_page_token
        if not page.page_token:
            break
    cache.Invalidate(pb.InvalidateRequest(namespace="users", prefix=prefix), timeout=5)


def main() -> None:
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051"
    with open_channel(address) as channel:
        cache = cache_pb2_grpc.CacheServiceStub(channel)

        stream = cache.Stream(pb.StreamRequest(namespace="users"), timeout=10)
        next(stream)  # Opened: from here on nothing is missed

        lease = cache.Lease(pb.LeaseRequest(namespace="users", key="user:1", wait_ms=1000), timeout=5)
        if lease.WhichOneof("outcome") == "granted":
            cache.Set(
                pb.SetRequest(
                    namespace="users",
                    key="user:1",
                    value=b"Ada",
                    ttl_ms=60_000,
                    tags=["tenant:7"],
                    lease_token=lease.granted.token,
                ),
                timeout=5,
            )

        get = pb.GetRequest(namespace="users", key="user:1")
        print("hit:", cache.Get(get, timeout=5).hit.value.decode())

        cache.Invalidate(pb.InvalidateRequest(namespace="users", tags=pb.TagList(tags=["tenant:7"])), timeout=5)
        for frame in stream:
            if any(event.tag == "tenant:7" for event in frame.events.events):
                break
        stream.cancel()
        print("invalidated: tag tenant:7")

        print("miss:", str(cache.Get(get, timeout=5).WhichOneof("outcome") == "miss").lower())

        count(cache, "visits:home")
        list_keys(cache, "visits:")


if __name__ == "__main__":
    main()
