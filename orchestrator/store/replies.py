"""Answers kept under an Idempotency-Key: a key answers one request, once.

The durable answers lie in the table `reply`. Between the look-up there and the commit of a new answer
another request with the same key may slip in; the keys submitted last are therefore kept in memory,
many more than can be under way at once.
"""

from collections import OrderedDict

from batches.errors import BadInput, Conflict
from orchestrator.store.port import Reply

REMEMBERED = 10_000


class RecentReplies:
    """The keys of the last answers submitted."""

    def __init__(self, remembered: int = REMEMBERED):
        self._digests: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._remembered = remembered

    def check(self, reply: Reply) -> None:
        """Raises Conflict if the key was used, BadInput if it cannot be a key."""
        check_key(reply)
        digest = self._digests.get((reply.scope, reply.key))
        if digest is not None:
            raise taken(reply, digest)

    def remember(self, reply: Reply) -> None:
        self._digests[reply.scope, reply.key] = reply.request_digest
        if len(self._digests) > self._remembered:
            self._digests.popitem(last=False)


def check_key(reply: Reply) -> None:
    """Raises BadInput for a key that no database takes."""
    if not (reply.scope.isprintable() and reply.key.isprintable() and reply.key):
        raise BadInput(f"The Idempotency-Key {reply.key!r} is not printable text; send a UUID.")


def taken(reply: Reply, digest: str) -> Conflict:
    """The refusal of a reply whose key was used already, for a request with `digest`."""
    if digest == reply.request_digest:
        return Conflict(
            f"The request with the Idempotency-Key '{reply.key}' is recorded already; send it again to get its answer."
        )
    return Conflict(f"The Idempotency-Key '{reply.key}' was used for another request; choose a new one.")
