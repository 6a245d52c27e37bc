"""`kweek serve` and the first administrator."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import structlog
import uvicorn

from batches.errors import BadInput
from orchestrator.app import create_app, open_house, open_people
from orchestrator.settings import Settings, from_environment

CLOSE_WITHIN = 3  # s: requests under way may finish


class _Server(uvicorn.Server):
    """Says where it listens; signals are caught by `_serve`, which closes the house after the server."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            print(f"Kweek listens on http://{host}:{port}. Stop it with Ctrl-C.", flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(host: str, port: int) -> None:
    """Serve until interrupted. Raises KweekErrors of opening, BadInput for an address that is taken."""
    _log_to_stderr()
    settings = from_environment()
    with closing(_listen(host, port)) as listening:
        asyncio.run(_serve(settings, listening))


async def _serve(settings: Settings, listening: socket.socket) -> None:
    async with open_house(settings) as house:
        config = uvicorn.Config(
            create_app(house), log_config=None, access_log=False, lifespan="off", server_header=False,
            timeout_graceful_shutdown=CLOSE_WITHIN,
        )  # fmt: skip
        server = _Server(config)

        def stop() -> None:
            house.closing.set()  # streams of events end, or the server would wait for them
            server.should_exit = True

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        await server.serve(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise BadInput(
            f"Nothing can listen on {host}:{port} ({error.strerror}); choose another --port."
        ) from error
    return listening


def _log_to_stderr() -> None:
    """One JSON line per event on standard error."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def add_first_person(user_name: str, full_name: str, password: str) -> str:
    """Add the first administrator to the record that KWEEK_DATABASE_URL names. Returns the person's id."""
    return asyncio.run(_add_first(user_name, full_name, password))


async def _add_first(user_name: str, full_name: str, password: str) -> str:
    async with open_people(from_environment()) as people:
        return await people.add_first(user_name, full_name, password)
