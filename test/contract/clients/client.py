"""Makes the calls of the contract with Python's gRPC and the code generated for Python: reads each call as a line of JSON, and
writes what comes back as lines. scripts/build-contract-clients.sh installs what it needs."""

import base64
import json
import os
import sys
import threading

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from meshcache.v1 import admin_pb2, cache_pb2  # noqa: F401: they add to the pool
from users.v1 import users_pb2  # noqa: F401

MESSAGE_MAX_BYTES = 8 << 20
writing = threading.Lock()


def write(answer: dict) -> None:
    with writing:
        print(json.dumps(answer), flush=True)


def status_of(error: grpc.RpcError) -> bytes:
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    if details is not None:
        return details
    return status_pb2.Status(code=error.code().value[0], message=error.details()).SerializeToString()


def metadata_of(call: grpc.Call) -> dict:
    """What is text of the metadata and the trailers."""
    received: dict = {}
    for name, value in [*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())]:
        if isinstance(value, str):
            received.setdefault(name, []).append(value)
    return received


class Calls:
    """The calls that run, by id."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.running: dict = {}

    def cancel(self, call_id: int) -> None:
        call = self.running.get(call_id)
        if call is not None:
            call.cancel()

    def make(self, call_id: int, path: str, messages: list, metadata: dict) -> None:
        status = b""
        received: dict = {}
        try:
            for message in self.messages_of(call_id, path, messages, metadata, received):
                encoded = base64.b64encode(message.SerializeToString()).decode()
                write({"Id": call_id, "Message": encoded})
        except grpc.RpcError as error:
            status = status_of(error)
            received.update(metadata_of(error))
        self.running.pop(call_id, None)
        encoded = base64.b64encode(status).decode()
        write({"Id": call_id, "End": True, "Status": encoded, "Metadata": received})

    def messages_of(self, call_id: int, path: str, messages: list, metadata: dict, received: dict):
        method = descriptor_pool.Default().FindMethodByName(path.replace("/", "."))
        to_input = GetMessageClass(method.input_type).FromString
        inputs = [to_input(base64.b64decode(message)) for message in messages]
        codecs = {
            "request_serializer": GetMessageClass(method.input_type).SerializeToString,
            "response_deserializer": GetMessageClass(method.output_type).FromString,
        }
        if method.client_streaming:
            call = self.channel.stream_stream("/" + path, **codecs)(iter(inputs))
        elif method.server_streaming:
            call = self.channel.unary_stream("/" + path, **codecs)(inputs[0])
        else:
            unary = self.channel.unary_unary("/" + path, **codecs)
            response, call = unary.with_call(inputs[0], metadata=tuple(metadata.items()))
            received.update(metadata_of(call))
            yield response
            return
        self.running[call_id] = call
        yield from call


def open_channel(address: str) -> grpc.Channel:
    """Over mutual TLS where the variables of the command line name files."""
    options = [("grpc.max_receive_message_length", MESSAGE_MAX_BYTES)]
    if "MESHCACHE_TLS_CA" not in os.environ:
        return grpc.insecure_channel(address, options)
    ca, key, cert = (open(os.environ[f"MESHCACHE_TLS_{name}"], "rb").read() for name in ("CA", "KEY", "CERT"))
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(ca, key, cert), options)


def main() -> None:
    with open_channel(sys.argv[1]) as channel:
        calls = Calls(channel)
        for line in sys.stdin:
            asked = json.loads(line)
            if asked.get("Cancel"):
                calls.cancel(asked["Id"])
                continue
            made = (asked["Id"], asked["Method"], asked["Messages"], asked.get("Metadata", {}))
            threading.Thread(target=calls.make, args=made, daemon=True).start()


if __name__ == "__main__":
    main()
