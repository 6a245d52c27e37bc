"""The SiLA 2 features of a simulated unit, as the library calls them: in threads of its own.

This module imports the SiLA library, and with it gRPC: only the server that is being started does so.
Method names are those of the features.
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from sila2.framework import DefinedExecutionError
from sila2.server import FeatureImplementationBase

from devices.base import DeviceRefused
from devices.servers.sila_unit import SilaUnit
from devices.twins.programmes import OutOfRange

T = TypeVar("T")


class Asked(Protocol):
    """Carries work to the event loop that owns the twin."""

    def work(self, work: Coroutine[Any, Any, T]) -> T: ...
    def told(self, tell: Callable[[], T]) -> T: ...


class _Answers(FeatureImplementationBase):
    errors: dict[str, Any]

    def __init__(self, server: Any, asked: Asked) -> None:
        super().__init__(server)
        self._asked = asked

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """A refusal of the twin becomes an error that the feature defines."""
        try:
            yield
        except DeviceRefused as error:
            known = "OutOfRange" if isinstance(error, OutOfRange) else "WrongState"
            raise DefinedExecutionError(self.errors[known], str(error)) from None


class Values(_Answers):
    """UnitValues."""

    def __init__(self, server: Any, asked: Asked, unit: SilaUnit) -> None:
        super().__init__(server, asked)
        self._unit = unit

    def get_Identity(self, *, metadata: object) -> Any:
        who = self._unit.twin.identity
        return (who.vendor, who.model, who.serial, who.software)

    def get_Readings(self, *, metadata: object) -> Any:
        return self._asked.told(self._unit.readings)

    def get_SetPoints(self, *, metadata: object) -> Any:
        return self._asked.told(self._unit.set_points)

    def SetTarget(self, command: str, tag: str, value: float, *, metadata: object) -> Any:
        with self._refusing():
            self._asked.work(self._unit.set_target(tag, value))
        return ()


class Commands(_Answers):
    """UnitCommands."""

    def __init__(self, server: Any, asked: Asked, unit: SilaUnit, memory_id: str) -> None:
        super().__init__(server, asked)
        self._unit, self._memory_id = unit, memory_id

    def get_MemoryId(self, *, metadata: object) -> str:
        return self._memory_id

    def RunProgramme(
        self, task: str, job: str, programme: str, given: Sequence[tuple[str, str]], *, metadata: object,
        instance: Any,
    ) -> Any:  # fmt: skip
        with self._refusing():
            self._asked.work(self._unit.start(task, job, programme, dict(given)))
            instance.begin_execution()
            _, _, done, left, _ = self._asked.told(lambda: self._unit.status(task))
            instance.progress = done
            instance.estimated_remaining_time = timedelta(seconds=float(str(left)))
            self._asked.work(self._unit.ended(task))
            instance.progress = 1.0
            return self._asked.told(lambda: self._unit.result(task))

    def GetCommandStatus(self, task: str, *, metadata: object) -> Any:
        return self._asked.told(lambda: self._unit.status(task))

    def GetCommandResult(self, task: str, *, metadata: object) -> Any:
        with self._refusing():
            return self._asked.told(lambda: self._unit.result(task))

    def AnswerPrompt(self, task: str, prompt: str, answer: str, *, metadata: object) -> Any:
        with self._refusing():
            self._asked.work(self._unit.answer(task, prompt, answer))
        return ()

    def Hold(self, *, metadata: object) -> Any:
        with self._refusing():
            self._asked.work(self._unit.order("Hold"))
        return ()

    def Resume(self, *, metadata: object) -> Any:
        with self._refusing():
            self._asked.work(self._unit.order("Resume"))
        return ()

    def Stop(self, *, metadata: object) -> Any:
        with self._refusing():
            self._asked.work(self._unit.order("Stop"))
        return ()

    def Abort(self, *, metadata: object) -> Any:
        with self._refusing():
            self._asked.work(self._unit.order("Abort"))
        return ()


class Faults(_Answers):
    """Simulation."""

    def __init__(
        self, server: Any, asked: Asked, inject: Callable[[str, str], Coroutine[Any, Any, None]]
    ) -> None:
        super().__init__(server, asked)
        self._inject = inject

    def Inject(self, fault: str, argument: str, *, metadata: object) -> Any:
        with self._refusing():
            self._asked.work(self._inject(fault, argument))
        return ()
