"""A proxy before PostgreSQL's socket file that can lose requests or replies, as networks do."""

import socket
import threading
from pathlib import Path
from typing import Literal

NAME = ".s.PGSQL.5432"


class Proxy:
    """Forwards connections from `folder` to the server in `server`; `lose` says what is swallowed.

    `cut` ends every connection, as a network that went away does in the end.
    """

    def __init__(self, server: Path, folder: Path):
        self.lose: Literal["nothing", "requests", "replies"] = "nothing"
        self._server = server
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / NAME))
        self._listening.listen()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._server / NAME))
            self._open += [client, server]
            threading.Thread(target=self._pump, args=(client, server, "requests"), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, "replies"), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, what: str) -> None:
        try:
            while data := source.recv(65536):
                if self.lose != what:
                    target.sendall(data)
        except OSError:
            return

    def cut(self) -> None:
        for end in self._open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was cut before
            finally:
                end.close()
        self._open.clear()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()
