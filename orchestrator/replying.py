"""What an HTTP request is answered, kept in the transaction of the entries it caused."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from batches.entries import Draft
from orchestrator.store.port import Reply

Decided: TypeAlias = Sequence[tuple[str, Draft]]
"""What a commit decided: stream and draft, in order."""
Replying: TypeAlias = Reply | Callable[["Decided"], Reply]
"""A ready reply, or one that names what was decided (a number given, a status): asked for once, when
the decision is made and before it is written."""
