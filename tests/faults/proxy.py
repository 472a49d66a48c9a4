"""A small proxy on loopback or a unix socket that lets a request through and cuts the line before the answer."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

Connect = Callable[[], socket.socket]
CHUNK = 1 << 16
SECONDS = 30


class Proxy:
    """
    Forwards every connection. `cuts(chunk)` is asked of each chunk that a client sends: true means that what the server
    says next reaches nobody, and both lines are cut. `count` is how often that was done.
    """

    def __init__(self, listener: socket.socket, connect: Connect, cuts: Callable[[bytes], bool]) -> None:
        self.listener, self.connect, self.cuts, self.count = listener, connect, cuts, 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    @classmethod
    def to_port(cls, port: int, cuts: Callable[[bytes], bool]) -> "Proxy":
        """On a loopback port of its own (`port`), to another one."""
        return cls(socket.create_server(("127.0.0.1", 0)), lambda: socket.create_connection(("127.0.0.1", port), SECONDS), cuts)

    @classmethod
    def to_socket(cls, path: Path, folder: Path, cuts: Callable[[bytes], bool]) -> "Proxy":
        """On a unix socket of the same name in a folder, to another one."""

        def connect() -> socket.socket:
            line = socket.socket(socket.AF_UNIX)
            line.settimeout(SECONDS)
            line.connect(str(path))
            return line

        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(folder / path.name))
        listener.listen(64)
        return cls(listener, connect, cuts)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self._lock:
            for line in self._open:
                hang_up(line)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
                server = self.connect()
            except OSError:
                return  # closed, or the server is gone: the client notices by itself
            with self._lock:
                self._open |= {client, server}
            is_cut = threading.Event()
            for source, sink, asks in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._forward, args=(source, sink, asks, is_cut), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, asks: bool, is_cut: threading.Event) -> None:
        """One direction. The answer is what shows that the server has done its part: it is read, and thrown away."""
        try:
            while chunk := source.recv(CHUNK):
                if asks:
                    if self.cuts(chunk):
                        is_cut.set()
                elif is_cut.is_set():
                    with self._lock:
                        self.count += 1
                    break
                sink.sendall(chunk)
        except OSError:
            pass  # the other direction, or the other side, has hung up
        finally:
            hang_up(source)
            hang_up(sink)


def hang_up(line: socket.socket) -> None:
    """Cut one line, whoever reads from it."""
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()
