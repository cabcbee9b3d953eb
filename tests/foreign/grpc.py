"""gRPC by the library of its makers: `grpc.py serve` is a backend, `grpc.py call ...` a client of it.

No file describes the messages: they are bytes. The server prints its port, the client JSON.
"""

import json
import sys
import threading
from concurrent import futures

# This file has the library's name.
sys.path.pop(0)
import grpc  # noqa: E402

SERVICE = "bank.Echo"


def serve():
    cancelled = threading.Event()

    def unary(request, context):
        told = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        context.send_initial_metadata((("x-first", "1"),))
        context.set_trailing_metadata((("x-checksum", "7"), ("set-cookie", "a=1"), ("portcullis-role", "evil")))
        return json.dumps({"request": request.decode(), "told": told}).encode()

    def fails(request, context):
        context.set_trailing_metadata((("x-checksum", "8"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "no such account: \u00fc")

    def up(requests, context):
        return str(sum(len(request) for request in requests)).encode()

    def down(request, context):
        for n in range(int(request)):
            yield b"%d" % n

    def both(requests, context):
        context.add_callback(cancelled.set)
        for request in requests:
            yield request + b"!"

    def was_cancelled(request, context):
        return b"yes" if cancelled.wait(20) else b"no"

    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Fails": grpc.unary_unary_rpc_method_handler(fails),
        "Up": grpc.stream_unary_rpc_method_handler(up),
        "Down": grpc.unary_stream_rpc_method_handler(down),
        "Both": grpc.stream_stream_rpc_method_handler(both),
        "WasCancelled": grpc.unary_unary_rpc_method_handler(was_cancelled),
    }
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0)


def call(address, authority, root, certificate, key):
    def read(path):
        with open(path, "rb") as file:
            return file.read()

    credentials = grpc.ssl_channel_credentials(read(root), read(key), read(certificate))
    options = [
        ("grpc.ssl_target_name_override", authority.split(":")[0]),
        ("grpc.default_authority", authority),
    ]
    said = {}
    with grpc.secure_channel(address, credentials, options) as channel:
        path = lambda name: f"/{SERVICE}/{name}"
        spoofed = (("x-forwarded-for", "6.6.6.6"), ("client-cert", "evil"), ("x-mine", "mine"))
        answer, done = channel.unary_unary(path("Unary")).with_call(b"hello", metadata=spoofed, timeout=20)
        said["unary"] = json.loads(answer)
        said["first"] = dict(done.initial_metadata())
        said["last"] = dict(done.trailing_metadata())
        try:
            channel.unary_unary(path("Fails"))(b"hello", timeout=20)
        except grpc.RpcError as error:
            trailing = dict(error.trailing_metadata())
            said["fails"] = [error.code().name, error.details(), trailing.get("x-checksum")]
        said["up"] = int(channel.stream_unary(path("Up"))((b"x" * 65536 for _ in range(256)), timeout=60))
        said["down"] = sum(1 for _ in channel.unary_stream(path("Down"))(b"1000", timeout=60))

        # Each word goes after the one before came back: neither side waits for the other's end.
        gate, words = threading.Semaphore(1), []

        def asking():
            for word in (b"one", b"two", b"three"):
                gate.acquire()
                yield word

        for word in channel.stream_stream(path("Both"))(asking(), timeout=60):
            words.append(word.decode())
            gate.release()
        said["both"] = words

        def endless():
            yield b"one"
            threading.Event().wait()

        stream = channel.stream_stream(path("Both"))(endless())
        next(stream)
        stream.cancel()
        said["cancelled"] = channel.unary_unary(path("WasCancelled"))(b"", timeout=30).decode()

        try:
            channel.unary_unary("/bank.Admin/Unary")(b"hello", timeout=20)
            said["admin"] = "let in"
        except grpc.RpcError as error:
            said["admin"] = error.code().name
    print(json.dumps(said))


if __name__ == "__main__":
    serve() if sys.argv[1] == "serve" else call(*sys.argv[2:])
