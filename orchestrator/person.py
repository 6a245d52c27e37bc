"""A person: the fold of 'person/<id>', and the rules on names and roles."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from batches.entries import Entry
from batches.errors import BadInput, NotPermitted, Refused
from batches.plain import text_in, whole_in
from batches.qualifications import Qualification, granted
from batches.steps import Role

POLICY = (
    "My electronic signature is as binding as my handwritten one. I am accountable for everything done "
    "under my name; I keep my password to myself and report at once when somebody else may know it."
)
POLICY_VERSION = 1
"""21 CFR 11.10(j): nobody signs before having acknowledged this version."""
ROLES: tuple[str, ...] = get_args(Role)
WRONG = "The user name or the password is wrong; try again."


class NotSignedIn(NotPermitted):
    """Nobody is signed in, or no longer."""


class WaitFirst(Refused):
    """Too many failed attempts; `seconds` says how long to wait."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(slots=True)
class Person:
    """A person. `policy`: version of the signature policy acknowledged (0: none)."""

    id: str
    user_name: str
    full_name: str
    roles: list[str] = field(default_factory=list[str])
    left: bool = False
    policy: int = 0
    must_change: bool = False
    """The password was given by somebody else, who knows it too."""
    changes: int = 0
    """The entry that changed roles or presence last."""
    qualifications: list[Qualification] = field(default_factory=list[Qualification])
    """All ever granted, in their order."""

    def apply(self, entry: Entry) -> None:
        """Fold one entry of the person's stream."""
        if entry.kind in ("person_added", "role_given", "role_taken", "person_left"):
            self.changes = entry.number
        match entry.kind:
            case "role_given":
                self.roles.append(text_in(entry.content(), "role"))
            case "role_taken":
                self.roles.remove(text_in(entry.content(), "role"))
            case "person_left":
                self.left, self.roles = True, []
            case "policy_acknowledged":
                self.policy = whole_in(entry.content(), "policy")
            case "qualified":
                self.qualifications.append(granted(entry))
            case "qualification_withdrawn":
                gone = text_in(entry.content(), "id")
                self.qualifications = [
                    replace(each, withdrawn=each.withdrawn or each.id == gone) for each in self.qualifications
                ]
            case _:
                return

    def check_may_sign(self) -> None:
        """Raises NotPermitted for who may not sign at all."""
        if "admin" in self.roles:
            raise NotPermitted(
                "An administrator cannot sign in manufacturing; ask a person with a role there."
            )
        if self.must_change:
            raise NotPermitted("Your password was set by somebody else; change it before you sign.")
        if self.policy != POLICY_VERSION:
            raise NotPermitted("Acknowledge the policy on electronic signatures before you sign.")


def unnamed(person_id: str) -> Person:
    """Somebody of whom only the record is left: nobody signs in as them, and the id is not given again."""
    return Person(person_id, person_id, "(name not kept)")


def check_names(user_name: str, full_name: str) -> None:
    """Raises BadInput for names that cannot be used."""
    blank = any(character.isspace() for character in user_name)
    if not 2 <= len(user_name) <= 64 or not user_name.isprintable() or blank:
        raise BadInput("A user name has 2 to 64 printable characters and no blanks.")
    if not (2 <= len(full_name.strip()) <= 200 and full_name.isprintable()):
        raise BadInput("The full name is printed with signatures; write it in 2 to 200 characters.")


def check_roles(roles: Sequence[str]) -> None:
    """Raises BadInput for roles that do not exist or do not go together."""
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise BadInput(f"There is no role {', '.join(unknown)}; the roles are {', '.join(ROLES)}.")
    if "admin" in roles and len(set(roles)) > 1:
        raise BadInput("An administrator has no other role: who manages accounts does not make product.")
