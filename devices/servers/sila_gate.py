"""A gate before a server that knows no broken links: it passes bytes on, and cuts when it is told to."""

import asyncio
from contextlib import suppress

CHUNK = 65536


class Gate:
    """Listens on `host`:`port` (0: a free one) and passes every link on to `inner` of this machine."""

    def __init__(self, host: str, port: int, inner: int) -> None:
        self._host, self._port, self._inner = host, port, inner
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()
        self._closed_until = 0.0

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server else self._port

    async def open(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        self._server = await asyncio.start_server(self._pass, self._host, self._port)

    async def close(self) -> None:
        """Stop listening and break every link."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self, seconds: float = 0.0) -> None:
        """Break every link and take none for so many seconds of real time."""
        self._closed_until = asyncio.get_running_loop().time() + seconds
        for writer in list(self._links):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if asyncio.get_running_loop().time() < self._closed_until:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._inner)
        except OSError:  # the server behind has ended; whoever called sees the link break
            writer.transport.abort()
            return
        self._links |= {writer, back}
        try:
            await asyncio.gather(_copy(reader, back), _copy(there, writer))
        finally:
            self._links -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await reader.read(CHUNK):
            writer.write(part)
            await writer.drain()
    writer.close()
