"""As much of cairn's protocol (proto/PROTOCOL.md) as the bench needs by itself: a connection with its hello, a ping and a
prune. What takes a process of its own to ask would measure the start of that process."""
import contextlib
import socket
import struct
import time

REQUEST = struct.Struct("<BBBBIQ")
REPLY = struct.Struct("<BBBBIQQQ")
MAGIC = 0xCA
HELLO, PING, STATUS, CHAINS, READ_BLOCK, READ_BLOCKS, COMMIT, PRUNE = 1, 2, 3, 4, 17, 18, 33, 34
ALL_PARTS = 15
HELLO_BODY = b"\x08\x01\x10\x01\x22\x05bench"  # versions 1 to 1, the client's name
OK = 0


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Connection:
    """Connected and greeted, or OSError."""

    def __init__(self, path, patience=30.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(patience)
        self.last_id = 0
        try:
            self.socket.connect(path)
            self.ask(HELLO, HELLO_BODY)
        except BaseException:
            self.socket.close()
            raise

    def close(self):
        self.socket.close()

    def receive(self, n):
        out = b""
        while len(out) < n:
            part = self.socket.recv(n - len(out))
            if not part:
                raise ConnectionResetError("the daemon ended the connection")
            out += part
        return out

    def send(self, kind, body=b""):
        self.last_id += 1
        self.socket.sendall(REQUEST.pack(MAGIC, kind, 0, 0, len(body), self.last_id) + body)

    def ask(self, kind, body=b""):
        """The body of the answer."""
        self.send(kind, body)
        head = REPLY.unpack(self.receive(REPLY.size))
        body = self.receive(head[4])
        if head[3] != OK:
            raise OSError(f"the daemon answered request type {kind} by status {head[3]}: {body[2:].decode(errors='replace')}")
        return body

    def send_read_block(self, height):
        """Asks for a whole block; the answer is not waited for."""
        self.send(READ_BLOCK, b"\x10" + varint(height) + b"\x20" + varint(ALL_PARTS))

    def send_read_blocks(self, first, last):
        """Asks for whole blocks as a stream, with the window it has by default."""
        self.send(READ_BLOCKS, b"\x18" + varint(first) + b"\x20" + varint(last) + b"\x28" + varint(ALL_PARTS))

    def prune(self, blocks_through):
        """Seconds until the answer."""
        start = time.perf_counter()
        self.ask(PRUNE, b"\x20" + varint(blocks_through))
        return time.perf_counter() - start


def answers(path):
    """Whether a daemon answers a hello and a ping there."""
    with contextlib.suppress(OSError):
        with contextlib.closing(Connection(path)) as connection:
            connection.ask(PING)
            return True
    return False
