"""A client of meshcache in Python, generated from cache.proto alone: fills a key under a lease, reads it,
invalidates its tag and watches the invalidation arrive.

    pip install -r examples/clients/python/requirements.txt
    python -m grpc_tools.protoc -I proto --python_out=examples/clients/python --grpc_python_out=examples/clients/python \
        proto/meshcache/v1/cache.proto
    python examples/clients/python/client.py
"""

import os
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


if __name__ == "__main__":
    main()
