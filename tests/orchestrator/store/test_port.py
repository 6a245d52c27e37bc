"""What every store does alike: in memory, on SQLite, on PostgreSQL."""

import asyncio
import unicodedata
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batches.entries import NO_LEAF, Draft, leaf_hash, moment
from batches.errors import BadInput, Conflict, StoreError
from batches.ledger import verify_chain
from batches.plain import Plain
from orchestrator.store.memory import MemoryStore
from orchestrator.store.port import Item, Reply, Store
from orchestrator.store.store import DatabaseStore
from tests.orchestrator.store.records import AT, PERSON, bodies, item, note, run, write, write_drafts

Reopen = Callable[[], Store]


class Opener:
    """Opens the store under test, and opens it again after closing it."""

    def __init__(self, kind: str, url: str):
        self._url = url
        self._memory = MemoryStore() if kind == "memory" else None
        self.store: Store = self._open()

    def _open(self) -> Store:
        if self._memory is None:
            return DatabaseStore(self._url, "test", lease_seconds=1.0)
        return MemoryStore(self._memory.disk)

    def again(self) -> Store:
        self.store.close()
        self.store = self._open()
        return self.store


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def opener(request: pytest.FixtureRequest) -> Iterator[Opener]:
    fixture = {"memory": None, "sqlite": "sqlite_url", "postgresql": "record_url"}[request.param]
    made = Opener(request.param, request.getfixturevalue(fixture) if fixture else "")
    yield made
    made.store.close()


@pytest.fixture
def store(opener: Opener) -> Store:
    return opener.store


def test_entries_are_numbered_stamped_and_chained(store: Store) -> None:
    late = Draft("by_hand", {"what": "fed by hand"}, PERSON, version=3, happened_at=AT - timedelta(hours=2))
    first, second = write_drafts(store, "batch/B-1", note("first"), late)
    assert (first.stream, first.number, first.previous, first.recorded_at) == ("batch/B-1", 1, NO_LEAF, AT)
    assert (second.number, second.previous, second.version) == (2, leaf_hash(first.leaf()), 3)
    assert second.happened_at == AT - timedelta(hours=2)
    assert list(store.read("batch/B-1")) == [first, second]
    assert verify_chain(store.read("batch/B-1")) is None


def test_a_submission_over_several_streams_is_one(store: Store) -> None:
    entries = write(store, item("batch/B-1", "lot/L-1", "batch/B-1"))
    assert [(entry.stream, entry.number) for entry in entries] == [
        ("batch/B-1", 1), ("lot/L-1", 1), ("batch/B-1", 2),
    ]  # fmt: skip
    assert [store.head(name) for name in ("batch/B-1", "lot/L-1", "batch/B-2")] == [2, 1, 0]


def test_it_goes_on_where_it_was_after_opening_again(opener: Opener) -> None:
    first = write(opener.store, item("batch/B-1"))
    store = opener.again()
    second = write(store, item("batch/B-1"))
    assert list(store.read("batch/B-1")) == first + second
    assert verify_chain(store.read("batch/B-1"), size=2) is None


def test_reading_pages_through_a_stream(store: Store) -> None:
    entries = write_drafts(store, "batch/B-1", *(note(f"{n}") for n in range(1203)))
    assert list(store.read("batch/B-1")) == entries
    assert list(store.read("batch/B-1", after=1199)) == entries[1199:]
    assert list(store.read("batch/B-1", after=2, limit=3)) == entries[2:5]
    assert list(store.read("batch/B-1", after=2, limit=701)) == entries[2:703]
    assert list(store.read("batch/B-1", limit=0)) == []
    assert list(store.read("batch/B-1", after=1203)) == []
    assert list(store.read("batch/none")) == []


def test_streams_are_found_by_prefix_in_order(store: Store) -> None:
    write(store, item("batch/B-1", "batch/B-10", "batch/B-2", "BATCH/B-1", "lot/é", "lot/z", "batch/B-1%"))
    assert store.streams("batch/") == ["batch/B-1", "batch/B-1%", "batch/B-10", "batch/B-2"]
    assert store.streams("lot/") == ["lot/z", "lot/é"]
    assert store.streams("batch/B-1%") == ["batch/B-1%"]
    assert store.streams("shipment/") == []
    assert len(store.streams("")) == 7


def test_a_stream_that_moved_is_a_conflict_and_writes_nothing(store: Store) -> None:
    write(store, Item([("batch/B-1", note())], AT, {"batch/B-1": 0, "batch/B-2": 0}))
    stale = Item([("batch/B-2", note()), ("batch/B-1", note())], AT, {"batch/B-2": 0, "batch/B-1": 0})
    with pytest.raises(Conflict, match="batch/B-1 has moved on to entry 1 since it was read at entry 0"):
        write(store, stale)
    assert (store.head("batch/B-1"), store.head("batch/B-2")) == (1, 0)
    assert store.streams("") == ["batch/B-1"]


@pytest.mark.parametrize(
    "bad",
    [Draft("note_added", {"value": 1.5}), Draft("note_added", {"text": "e\u0301"}), Draft("", {})],  # pyright: ignore[reportArgumentType]
    ids=["float", "not NFC", "no kind"],
)
def test_what_cannot_be_recorded_leaves_no_trace(store: Store, bad: Draft) -> None:
    with pytest.raises(BadInput):
        write(store, Item([("batch/B-1", note()), ("batch/B-1", bad)], AT))
    (entry,) = write(store, item("batch/B-1"))
    assert entry.number == 1
    assert list(store.read("batch/B-1")) == [entry]


@pytest.mark.parametrize("name", ["", "batch/\x00", "batch/a\nb", "batch/\ud800"])
def test_names_are_printable(store: Store, name: str) -> None:
    with pytest.raises(BadInput, match="printable"):
        write(store, item(name))


texts = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: unicodedata.normalize("NFC", text))
keys = st.text(st.characters(max_codepoint=127), max_size=5)
plains: st.SearchStrategy[Plain] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(keys, plains, max_size=4), min_size=1, max_size=4))
def test_any_plain_body_comes_back_as_it_was(store: Store, contents: list[dict[str, Plain]]) -> None:
    before = store.head("batch/B-1")
    entries = write_drafts(store, "batch/B-1", *(Draft("note_added", content) for content in contents))
    assert bodies(list(store.read("batch/B-1", after=before))) == contents
    assert bodies(entries) == contents


def test_unicode_in_names_and_bodies(store: Store) -> None:
    content = {"text": "37 °C, Löwenherz, 細胞, 🧫, \x00 and \u2028"}
    (entry,) = write(store, Item([("person/Zoë 🧬", Draft("note_added", content, PERSON))], AT))
    assert list(store.read("person/Zoë 🧬")) == [entry]
    assert store.streams("person/Zoë") == ["person/Zoë 🧬"]


REPLY = Reply("p-0007 POST /batches", "9f1c", "d1" * 32, 201, b'{"batch": "B-1"}\x00')


def test_a_reply_is_kept_with_the_entries(opener: Opener) -> None:
    write(opener.store, item("batch/B-1", reply=REPLY))
    assert opener.store.reply(REPLY.scope, REPLY.key) == REPLY
    store = opener.again()
    assert store.reply(REPLY.scope, REPLY.key) == REPLY
    assert store.reply("p-0008 POST /batches", REPLY.key) is None


def test_a_reply_may_stand_alone(store: Store) -> None:
    assert write(store, item(reply=REPLY)) == []
    assert store.reply(REPLY.scope, REPLY.key) == REPLY


def test_a_key_answers_one_request(store: Store) -> None:
    write(store, item("batch/B-1", reply=REPLY))
    with pytest.raises(Conflict, match="recorded already; send it again to get its answer"):
        write(store, item("batch/B-1", reply=REPLY))
    other = Reply(REPLY.scope, REPLY.key, "d2" * 32, 201, b"")
    with pytest.raises(Conflict, match="was used for another request; choose a new one"):
        write(store, item("batch/B-1", reply=other))
    with pytest.raises(BadInput, match="not printable"):
        write(store, item("batch/B-1", reply=Reply("s", "\x00", "", 200, b"")))
    assert store.head("batch/B-1") == 1


def test_a_key_is_refused_while_its_first_request_is_on_its_way(store: Store) -> None:
    async def twice() -> int:
        first = store.submit(item("batch/B-1", reply=REPLY))
        with pytest.raises(Conflict):
            store.submit(item("batch/B-1", reply=REPLY))
        await first.durable
        return store.pending()

    assert run(twice()) == 0


def test_what_is_pending_is_already_numbered(store: Store) -> None:
    async def submit_five() -> list[int]:
        submissions = [store.submit(item("batch/B-1")) for _ in range(5)]
        assert store.head("batch/B-1") == 5
        await asyncio.gather(*(one.durable for one in submissions))
        assert store.pending() == 0
        return [one.entries[0].number for one in submissions]

    assert run(submit_five()) == [1, 2, 3, 4, 5]


def test_a_closed_store_takes_nothing(store: Store) -> None:
    write(store, item("batch/B-1"))
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        write(store, item("batch/B-1"))


def test_times_keep_their_microseconds_and_zone(store: Store) -> None:
    at = moment("2026-11-23T08:00:00.000001Z")
    write(store, Item([("batch/B-1", note())], at.astimezone()))
    assert [entry.recorded_at for entry in store.read("batch/B-1")] == [at]
