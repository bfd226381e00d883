"""The protocol of cairn on a connection, written from proto/PROTOCOL.md and proto/cairn.proto alone: frames, messages put
together from them, credit. For independent_client.py."""
import contextlib
import importlib
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(os.environ.get("CAIRN_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
PATIENCE = 30.0  # seconds for an answer
QUIET = 0.2  # seconds after which nothing more is expected

REQUEST = struct.Struct("<BBBBIQ")
REPLY = struct.Struct("<BBBBIQQQ")
MAGIC = 0xCA
CONTINUED, MORE = 1, 2
TYPES = {
    "Hello": 1, "Ping": 2, "Status": 3, "Chains": 4, "CreateChain": 5, "Height": 16, "ReadBlock": 17, "ReadBlocks": 18,
    "ReadState": 19, "GetMetadata": 20, "GetMetadataMany": 21, "ListMetadata": 22, "Credit": 23, "Cancel": 24,
    "Usage": 25,
    "WriteMetadata": 32, "Commit": 33, "Prune": 34, "Rollback": 35, "Barrier": 36,
}  # fmt: skip
ANSWERS = {
    "Hello": "HelloReply", "Ping": "PingReply", "Status": "StatusReply", "Chains": "ChainsReply", "CreateChain": "WriteReply",
    "Height": "HeightReply", "ReadBlock": "BlockReply", "ReadBlocks": "BlockReply", "ReadState": "StateReply",
    "GetMetadata": "MetadataReply", "GetMetadataMany": "MetadataReply", "ListMetadata": "MetadataReply",
    "WriteMetadata": "WriteReply", "Commit": "WriteReply", "Prune": "WriteReply", "Rollback": "WriteReply",
    "Barrier": "WriteReply", "Usage": "UsageReply",
}  # fmt: skip
NAMES = {number: name for name, number in TYPES.items()}
OK, NOT_FOUND, INVALID, TOO_LARGE, CONFLICT, BUSY = range(6)
UNSUPPORTED = 9
ACCEPTED, WRITTEN, DURABLE = 1, 2, 3
HEADER, DATA, SIGNATURE, HASH = 1, 2, 4, 8


def load_messages():
    """The messages of cairn.proto, compiled now."""
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={place}", "cairn.proto"], check=True)
        sys.path.insert(0, place)
        return importlib.import_module("cairn_pb2")


pb = load_messages()


class Closed(Exception):
    """The daemon ended the connection."""


class Frame:
    def __init__(self, head, body):
        magic, kind, self.flags, self.status, _, self.id, self.written, self.durable = head
        if magic != MAGIC or kind < 0x80 or self.flags & ~(CONTINUED | MORE):
            raise ValueError(f"no reply header: {head}")
        if self.durable > self.written:
            raise ValueError(f"durable through {self.durable} is above written through {self.written}")
        self.type = kind - 0x80
        self.body = body

    def error(self):
        return pb.Error.FromString(self.body)


class Answer:
    """A reply put together: status, message or messages, and the numbers of its last frame."""

    def __init__(self, frame, messages):
        self.status, self.written, self.durable = frame.status, frame.written, frame.durable
        self.messages = messages
        self.error = frame.error() if frame.status not in (OK, NOT_FOUND) else pb.Error()
        self.text = self.error.text
        self.message = messages[0] if messages else None


class Connection:
    def __init__(self, path, hello=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self.received = bytearray()
        self.frames = []
        self.last_id = 0
        self.written = 0
        self.ended = False
        if hello:
            self.hello = self.ask("Hello", pb.Hello(version_min=1, version_max=1, client_name=b"independent"))

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        """Sends all of it, reading while it writes."""
        data = memoryview(data)
        deadline = time.monotonic() + PATIENCE
        while data:
            if time.monotonic() > deadline:
                raise TimeoutError("the daemon does not take what is sent")
            readable, writable, _ = select.select([self.socket], [self.socket], [], 1)
            if readable:
                self.receive()
            if writable:
                with contextlib.suppress(BlockingIOError):
                    data = data[self.socket.send(data) :]

    def receive(self):
        try:
            part = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionResetError:
            part = b""
        if not part:
            self.ended = True
        self.received += part
        while len(self.received) >= REPLY.size:
            head = REPLY.unpack_from(self.received)
            end = REPLY.size + head[4]
            if len(self.received) < end:
                break
            frame = Frame(head, bytes(self.received[REPLY.size : end]))
            del self.received[:end]
            if frame.written < self.written:
                raise ValueError("written through fell")
            self.written = frame.written
            self.frames.append(frame)

    def send_raw(self, kind, body, number=None, length=None):
        if number is None:
            self.last_id += 1
            number = self.last_id
        self.send_bytes(REQUEST.pack(MAGIC, kind, 0, 0, len(body) if length is None else length, number) + body)
        return number

    def send(self, name, message=None, number=None):
        return self.send_raw(TYPES[name], message.SerializeToString() if message is not None else b"", number)

    def frame(self, number, patience=PATIENCE):
        """The next frame with this id; None after patience."""
        deadline = time.monotonic() + patience
        while True:
            for at, frame in enumerate(self.frames):
                if frame.id == number:
                    return self.frames.pop(at)
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            if self.ended:
                raise Closed
            if select.select([self.socket], [], [], left)[0]:
                self.receive()

    def answer(self, number, credit=False, first_window=None):
        """The whole answer to a request. With `credit` each body's length is given back; the window is checked."""
        messages, part, window = [], b"", first_window
        while True:
            frame = self.frame(number)
            if frame is None:
                raise TimeoutError(f"no answer to request {number}")
            reply = getattr(pb, ANSWERS.get(NAMES.get(frame.type), "Error"))
            is_stream = frame.type in (18, 21, 22)
            if frame.status != OK or (is_stream and not frame.flags & MORE):
                if frame.flags or (frame.status in (OK, NOT_FOUND) and frame.body):
                    raise ValueError("a last frame with flags, or an empty one with a body")
                return Answer(frame, messages)
            if window is not None:
                window -= len(frame.body)
                if window < 0:
                    raise ValueError("the daemon sent more than the window")
            part += frame.body
            if not frame.flags & CONTINUED:
                messages.append(reply.FromString(part))
                part = b""
            if credit and frame.body:
                self.send("Credit", pb.Credit(bytes=len(frame.body)), number)
                window = None if window is None else window + len(frame.body)
            if not frame.flags & (CONTINUED | MORE):
                return Answer(frame, messages)

    def ask(self, name, message=None):
        return self.answer(self.send(name, message))

    def ends(self):
        """Whether the daemon closes the connection; what it sends before stays in `frames`."""
        deadline = time.monotonic() + PATIENCE
        while not self.ended and time.monotonic() < deadline:
            if select.select([self.socket], [], [], 0.5)[0]:
                self.receive()
        return self.ended
