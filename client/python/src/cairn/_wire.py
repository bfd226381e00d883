"""A session's socket, which never blocks. What ends the connection is raised as CairnError; close() then completes what was on it."""

from __future__ import annotations

import socket

from ._session import Pending, Session
from .types import CairnError, Status

RECEIVE_BYTES = 1 << 20


class Wire:
    def __init__(self, path: str, session: Session) -> None:
        self.path = path
        self.socket: socket.socket | None = None
        self._session = session
        self._sending = memoryview(b"")  # what is left of a frame of which the kernel may have a part
        self._sending_of: Pending | None = None
        self._is_broken = False  # nothing more can be sent; what was answered can still be received

    def open(self) -> socket.socket:
        """Connects, which a Unix socket does at once or not, and says hello."""
        assert self.socket is None
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._is_broken = False
        try:
            self.socket.setblocking(False)
            self.socket.connect(self.path)
        except OSError as error:
            status = Status.PERMISSION if isinstance(error, PermissionError) else Status.CANNOT_CONNECT
            raise CairnError(status, f"{self.path}: {error.strerror or error}") from error
        self._session.start()
        return self.socket

    @property
    def wants_write(self) -> bool:
        return not self._is_broken and bool(self._sending or self._session.out)

    def send(self) -> None:
        """Sends as much as the kernel takes."""
        assert self.socket is not None
        while self.wants_write:
            if not self._sending:
                frame, self._sending_of = self._session.out.popleft()
                self._sending = memoryview(frame)
            try:
                count = self.socket.send(self._sending)
            except BlockingIOError:
                return
            except OSError:
                self._is_broken = True
                return
            self._sending = self._sending[count:]
            if not self._sending and self._sending_of is not None:
                self._sending_of.sent = True

    def receive(self) -> None:
        assert self.socket is not None
        try:
            data = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            raise CairnError(self._lost_status(), error.strerror or str(error)) from error
        if not data:
            raise CairnError(self._lost_status(), "the daemon closed the connection")
        self._session.receive(data)

    def _lost_status(self) -> Status:
        return Status.CONNECTION_LOST if self._session.is_ready else Status.CANNOT_CONNECT

    def close(self, error: CairnError) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        self._sending, self._sending_of = memoryview(b""), None
        self._session.lost(error)
