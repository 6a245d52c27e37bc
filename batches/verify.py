"""The verdict on an exported record, from nothing but its files.

Integrity (is it what was sealed?) and conformance (did the batch follow its recipe?) are two verdicts.
Pure: files in, verdict out; it needs no database, device or network, and runs no code from the files.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from batches.checkpoint import NoteKey
from batches.conformance import Conformance, Finding, Phases, conform
from batches.crosscheck import crosscheck
from batches.errors import MALFORMED, KweekError, RecipeError
from batches.integrity import ReadKey, check_manifest, check_streams, seal_of, unlike_manifest
from batches.phases import lookup
from batches.plain import PlainDict
from batches.recipe_reader import read
from batches.report.bundle import Bundle, read_bundle
from batches.report.files import RECORD, rendered
from batches.states import ENDED

WORDED = ("record.xml", "audit.csv")
"""Files whose wording belongs to the software that made them."""
VERIFIED, NOT_VERIFIED, UNREADABLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `kweek verify` says. `exit_code`: 0 verified; 1 altered, incomplete or not conforming; 2 unreadable.

    `sentences`: every finding, each naming its entry or file; what stands behind the verdict besides.
    """

    exit_code: Literal[0, 1, 2]
    integrity: Literal["intact", "altered", "unreadable"]
    conformance: Literal["conforms", "does not conform", "not re-executable", "not judged"]
    sentences: tuple[str, ...]

    def plain(self) -> PlainDict:
        """The verdict for a machine."""
        return {
            "exit_code": self.exit_code, "integrity": self.integrity, "conformance": self.conformance,
            "sentences": list(self.sentences),
        }  # fmt: skip


def judged(bundle: Bundle, phases: Phases = lookup) -> Conformance:
    """The record re-executed, and held against what the other streams say where it could be followed."""
    found = conform(bundle.entries, phases)
    if found.state.recipe is not None:
        try:
            found.findings += crosscheck(found.state, {copy.stream: copy.entries for copy in bundle.streams})
        except (KweekError, *MALFORMED) as error:
            sentence = f"The other streams of the record cannot be followed: {type(error).__name__}: {error}"
            found.findings.append(Finding(0, sentence))
    return found


def unreadable(sentence: str) -> Verdict:
    """The verdict on something that is no record at all."""
    return Verdict(UNREADABLE, "unreadable", "not judged", (sentence,))


def verify_bundle(
    files: Mapping[str, bytes], read_key: ReadKey, pinned: Sequence[NoteKey] = (), phases: Phases = lookup,
    software: Mapping[str, str] | None = None,
) -> Verdict:  # fmt: skip
    """Check the files of an export. `read_key` reads the key that a record names; `pinned`: keys that
    the checker knows, of which one must have signed; `software`: the versions here, by which files are
    worded (None: those of the record)."""
    if RECORD not in files:
        return unreadable(f"There is no {RECORD} here; give the PDF or the folder of an export.")
    try:
        bundle = read_bundle(files[RECORD])
        seal = seal_of(bundle, pinned, read_key)
        _ = bundle.stream  # a record without its own stream is none
    except KweekError as error:
        return _unread(files, str(error))
    except MALFORMED as error:
        return _unread(files, f"{RECORD} holds a member of another shape than a record has: {error}")
    found = judged(bundle, phases)
    altered = [
        *check_streams(bundle, seal),
        *_check_record(bundle, files),
        *check_manifest(files, bundle.batch, seal),
    ]
    other = other_software(bundle, bundle.software if software is None else software)
    altered += _check_rendered(bundle, found, files, other)
    return _verdict(bundle, found, altered, [seal.sentence(), *_background(bundle, found, other)])


def other_software(bundle: Bundle, here: Mapping[str, str]) -> str:
    """The software that made the export and is not the one here, in words; '' where it is the same."""
    return ", ".join(f"{name} {found}" for name, found in bundle.software.items() if here.get(name) != found)


def _unread(files: Mapping[str, bytes], sentence: str) -> Verdict:
    """record.json cannot be read: altered if the manifest names another, else it is no record of ours."""
    if unlike_manifest(files, RECORD):
        altered = f"{RECORD} was altered: its digest is not that of the manifest."
        return Verdict(NOT_VERIFIED, "altered", "not judged", (altered, sentence))
    return unreadable(sentence)


def _check_record(bundle: Bundle, files: Mapping[str, bytes]) -> Iterator[str]:
    if bundle.to_json() != files[RECORD]:
        yield f"{RECORD} was altered: it is not in canonical form, or holds members that are none of a record."


def _check_rendered(
    bundle: Bundle, found: Conformance, files: Mapping[str, bytes], other: str
) -> Iterator[str]:
    """The files beside record.json are made again and compared byte for byte; where other software made
    them, only what has no wording: the recipe and the checkpoint."""
    try:
        made = rendered(bundle, found)
    except (KweekError, *MALFORMED) as error:
        yield f"The files beside {RECORD} cannot be compared, because it cannot be followed: {error}"
        return
    if files.get("recipe.yaml") not in (None, made["recipe.yaml"]) and other:
        del made["recipe.yaml"]
        yield from _check_recipe(files["recipe.yaml"], found)
    for name in sorted(made.keys() - ({RECORD, *WORDED} if other else {RECORD})):
        if name in files and files[name] != made[name]:
            line = _first_difference(files[name], made[name])
            yield f"{name} does not agree with {RECORD}: line {line} was changed, added or removed."


def _check_recipe(content: bytes, found: Conformance) -> Iterator[str]:
    try:
        digest = read(content.decode("utf-8"), "recipe.yaml").digest
    except (UnicodeDecodeError, RecipeError):
        digest = ""
    if digest != found.state.known_recipe().digest:
        yield f"recipe.yaml does not agree with {RECORD}: it is another recipe."


def _first_difference(found: bytes, expected: bytes) -> int:
    pairs = enumerate(zip(found.splitlines(), expected.splitlines(), strict=False), 1)
    shorter = min(len(found.splitlines()), len(expected.splitlines()))
    return next((number for number, (left, right) in pairs if left != right), shorter + 1)


def _verdict(
    bundle: Bundle, found: Conformance, altered: Sequence[str], background: Sequence[str]
) -> Verdict:
    conformance = (
        "not re-executable" if found.unknown else "does not conform" if found.findings else "conforms"
    )
    sentences = [
        *altered,
        *(_located(one.entry, one.sentence) for one in (*found.unknown, *found.findings)),
        *found.departures,
        *background,
    ]
    good = not altered and found.conforms
    return Verdict(
        VERIFIED if good else NOT_VERIFIED, "altered" if altered else "intact", conformance, tuple(sentences)
    )


def _located(entry: int, sentence: str) -> str:
    return f"Entry {entry}: {sentence}" if entry else sentence


def _background(bundle: Bundle, found: Conformance, other: str) -> Iterator[str]:
    if other:
        names = " and ".join(WORDED)
        yield f"{names} were held against the manifest only, because other software worded them: {other}."
    if found.state.state not in ENDED:
        yield f"The batch had not ended when it was exported: it is {found.state.state}."
    erased = [str(entry.number) for entry in bundle.entries if entry.body is None]
    if erased:
        yield f"The content of entries {', '.join(erased)} was erased; their proofs hold."
    if found.state.simulated:
        yield "The batch is SIMULATED: not for GMP use."
