import doctest
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.entries import NO_LEAF, Draft, Entry, leaf_hash
from batches.errors import BadInput, RecordError
from batches.ledger import (
    EMPTY_ROOT,
    Problem,
    Tree,
    leaf_hashes,
    node_hash,
    verify_chain,
    verify_consistency,
    verify_inclusion,
)
from tests.batches.record_helpers import sealed
from tests.conftest import ROOT


def leaf(data: bytes) -> bytes:
    return bytes.fromhex(leaf_hash(data))


# -- RFC 6962 and its reference implementation (certificate-transparency, merkletree tests) ----------

INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
REFERENCE = Tree(leaf(bytes.fromhex(text)) for text in INPUTS)


def hexes(proof: Sequence[bytes]) -> list[str]:
    return [step.hex() for step in proof]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert Tree().root() == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_the_reference_roots(size: int) -> None:
    assert REFERENCE.root(size).hex() == ROOTS[size - 1]


def test_the_reference_proofs() -> None:
    assert hexes(REFERENCE.inclusion(0, 8)) == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert hexes(REFERENCE.consistency(6, 8)) == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert hexes(REFERENCE.consistency(2, 5)) == [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]
    assert REFERENCE.inclusion(0, 1) == REFERENCE.consistency(1, 1) == ()


def test_the_example_of_seven_leaves() -> None:
    """RFC 6962 section 2.1.3, with the letters it gives the nodes."""
    a, b, c, d, e, f, j = (leaf(bytes([n])) for n in range(7))
    tree = Tree([a, b, c, d, e, f, j])
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, last = node_hash(g, h), node_hash(i, j)
    assert tree.root() == node_hash(k, last)
    assert tree.inclusion(0) == (b, h, last)
    assert tree.inclusion(3) == (c, g, last)
    assert tree.inclusion(4) == (f, j, k)
    assert tree.inclusion(6) == (i, k)
    assert tree.consistency(3) == (c, d, g, last)
    assert tree.consistency(4) == (last,)
    assert tree.consistency(6) == (i, j, k)


# -- against the definition --------------------------------------------------------------------------


def naive_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = max(2**power for power in range(40) if 2**power < len(leaves))
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def many(size: int) -> list[bytes]:
    return [leaf(str(n).encode()) for n in range(size)]


@given(st.integers(0, 70))
def test_the_growing_tree_has_the_root_of_the_definition_at_every_size(size: int) -> None:
    leaves = many(size)
    tree = Tree(leaves)
    assert len(tree) == size
    assert tree.root() == naive_root(leaves)
    assert all(tree.root(old) == naive_root(leaves[:old]) for old in range(size + 1))


@given(st.integers(1, 70), st.data())
def test_every_inclusion_proof_verifies_for_its_leaf_place_and_root_only(
    size: int, data: st.DataObject
) -> None:
    leaves = many(size)
    tree, index = Tree(leaves), data.draw(st.integers(0, size - 1))
    proof, root = tree.inclusion(index), tree.root()
    verify_inclusion(leaves[index], index, size, proof, root)
    assert len(proof) <= size.bit_length()
    other = data.draw(st.integers(0, size - 1))
    wrong: list[tuple[bytes, int, int, Sequence[bytes], bytes]] = [
        (leaf(b"other"), index, size, proof, root),
        (leaves[index], index, size, proof, leaf(b"root")),
        (leaves[index], index, size, (*proof, leaf(b"more")), root),
        (leaves[index], size, size, proof, root),
        (leaves[index], -1, size, proof, root),
        (leaves[index], index, size, (*proof, b"short"), root),
    ]
    if proof:
        wrong += [
            (leaves[index], index, size, proof[:-1], root),
            (leaves[index], index, size, (leaf(b"x"), *proof[1:]), root),
        ]
    if other != index:
        wrong.append((leaves[index], other, size, proof, root))
    for bad in wrong:
        with pytest.raises(RecordError):
            verify_inclusion(*bad)


@given(st.integers(1, 70), st.data())
def test_every_consistency_proof_verifies_for_its_two_trees_only(size: int, data: st.DataObject) -> None:
    tree, old = Tree(many(size)), data.draw(st.integers(1, size))
    before, root, proof = tree.root(old), tree.root(), tree.consistency(old)
    verify_consistency(old, before, size, root, proof)
    wrong: list[tuple[int, bytes, int, bytes, Sequence[bytes]]] = [
        (old, leaf(b"other"), size, root, proof),
        (old, before, size, leaf(b"other"), proof),
        (old, before, size, root, (*proof, leaf(b"more"))),
        (size + 1, before, size, root, proof),
        (0, EMPTY_ROOT, size, root, ()),
    ]
    if proof:
        wrong += [(old, before, size, root, proof[:-1]), (old, before, size, root, (leaf(b"x"), *proof[1:]))]
    for bad in wrong:
        with pytest.raises(RecordError):
            verify_consistency(*bad)


@given(st.integers(2, 40), st.data())
def test_no_proof_leads_from_a_log_that_was_rewritten(size: int, data: st.DataObject) -> None:
    leaves, old = many(size), data.draw(st.integers(1, size))
    changed = data.draw(st.integers(0, old - 1))
    rewritten = Tree([*leaves[:changed], leaf(b"rewritten"), *leaves[changed + 1 :]])
    with pytest.raises(RecordError):
        verify_consistency(old, Tree(leaves).root(old), size, rewritten.root(), rewritten.consistency(old))


def test_a_tree_says_what_it_cannot_do() -> None:
    tree = Tree(many(3))
    for asked in (
        lambda: tree.root(4),
        lambda: tree.inclusion(3),
        lambda: tree.consistency(0),
        lambda: tree.append(b"leaf"),
    ):
        with pytest.raises(BadInput):
            asked()


# -- a whole stream ----------------------------------------------------------------------------------


def stream(size: int) -> list[Entry]:
    return sealed("batch/B-1", [Draft("note_added", {"text": f"note {n}"}) for n in range(1, size + 1)])


def test_a_sound_stream_has_no_problem_even_where_a_body_was_erased() -> None:
    entries = stream(5)
    entries[2] = replace(entries[2], body=None, salt=None)
    assert verify_chain(entries, 5, Tree(leaf_hashes(entries)).root()) is None
    assert verify_chain(entries, 3, Tree(leaf_hashes(entries[:3])).root()) is None
    assert verify_chain([]) is None


def test_a_changed_body_is_named() -> None:
    entries = stream(5)
    for altered in (
        {"body": {"text": "note 9"}},
        {"salt": "0" * 32},
        {"salt": None},
        {"salt": "zz"},
        {"body": {"text": 1.5}},
    ):
        assert verify_chain([*entries[:2], replace(entries[2], **altered), *entries[3:]]) == Problem(
            "changed", "batch/B-1", 3, "Entry 3 of batch/B-1 was changed: its content is not what was sealed."
        )


def test_a_changed_envelope_is_named() -> None:
    entries = stream(5)
    later = replace(entries[2], recorded_at=entries[2].recorded_at + timedelta(seconds=1))
    problem = verify_chain([*entries[:2], later, *entries[3:]])
    assert problem == Problem(
        "changed", "batch/B-1", 3, "Entry 3 of batch/B-1 was changed: entry 4 names another leaf before it."
    )
    for place in (0, 2):
        elsewhere = [*entries[:place], replace(entries[place], previous="f" * 64), *entries[place + 1 :]]
        assert verify_chain(elsewhere) == Problem(
            "changed",
            "batch/B-1",
            place + 1,
            f"Entry {place + 1} of batch/B-1 was changed: it names another leaf before it.",
        )


def test_a_missing_added_or_reordered_entry_is_named() -> None:
    one, two, three, four = stream(4)
    other = sealed("batch/B-2", [Draft("note_added", {})])[0]
    cases: list[tuple[list[Entry], str, int]] = [
        ([one, three, four], "missing", 2),
        ([two, three, four], "missing", 1),
        ([one, two, two, three], "added", 2),
        ([one, three, two, four], "reordered", 3),
        ([one, two, other, three], "added", 3),
        ([one, replace(two, number=99), two, three], "added", 99),
        ([replace(one, number=0), one], "added", 0),
    ]
    for entries, kind, number in cases:
        problem = verify_chain(entries)
        assert problem is not None
        assert (problem.kind, problem.number, problem.stream) == (kind, number, "batch/B-1")


def test_the_loss_or_change_of_the_last_entry_shows_against_a_checkpoint_only() -> None:
    entries = stream(4)
    root = Tree(leaf_hashes(entries)).root()
    assert verify_chain(entries[:3]) is None
    assert verify_chain(entries[:3], 4, root) == Problem(
        "missing", "batch/B-1", 4, "Entry 4 of batch/B-1 missing: the checkpoint counts 4."
    )
    forged = [*entries[:3], replace(entries[3], kind="signed")]
    assert verify_chain(forged) is None
    problem = verify_chain(forged, 4, root)
    assert problem is not None
    assert (problem.kind, problem.number) == ("changed", 4)
    problem = verify_chain([], 2, root)
    assert problem is not None
    assert (problem.kind, problem.number) == ("missing", 1)


def test_a_stream_rebuilt_whole_is_sound_in_itself_but_not_against_a_checkpoint() -> None:
    rebuilt = sealed("batch/B-1", [Draft("note_added", {"text": "nothing happened"})] * 4)
    assert rebuilt[0].previous == NO_LEAF
    assert verify_chain(rebuilt) is None
    assert verify_chain(rebuilt, 4, Tree(leaf_hashes(stream(4))).root()) is not None


@given(st.integers(2, 12), st.data())
def test_any_single_tampering_is_found_with_a_checkpoint(size: int, data: st.DataObject) -> None:
    entries = stream(size)
    root, place = Tree(leaf_hashes(entries)).root(), data.draw(st.integers(0, size - 1))
    match data.draw(st.sampled_from(["kind", "number", "drop", "twice", "swap", "body", "digest"])):
        case "kind":
            entries[place] = replace(entries[place], kind="forged")
        case "number":
            entries[place] = replace(
                entries[place], number=data.draw(st.integers(-1, 20).filter(lambda n: n != place + 1))
            )
        case "drop":
            del entries[place]
        case "twice":
            entries.insert(data.draw(st.integers(0, size)), entries[place])
        case "swap":
            other = (place + 1) % size
            entries[place], entries[other] = entries[other], entries[place]
        case "body":
            entries[place] = replace(entries[place], body={"text": "forged"})
        case _:
            entries[place] = replace(entries[place], digest="0" * 64)
    assert verify_chain(entries, size, root) is not None


def test_the_examples_of_the_explanation_run() -> None:
    failed, tried = doctest.testfile(str(ROOT / "docs/explanation/ledger.md"), module_relative=False)
    assert (failed, tried > 5) == (0, True)
