"""Why nothing notices the sampled mutants that survive, in the words of somebody who has looked at each."""

from enum import StrEnum
from typing import NamedTuple

from companion.verification.mutation import Mutant
from companion.verification.sampling import SAMPLED


class Effect(StrEnum):
    """What a change does that is not noticed."""

    NONE = "changes no result"
    ACCURACY = "changes digits, or time, within what is promised"
    WORDS = "changes what is told, not what is found"
    UNNOTICED = "not noticed"


class Survivor(NamedTuple):
    """A mutant, what it does, and why nothing notices it."""

    function: str
    old: str
    new: str
    occurrence: int
    effect: Effect
    why: str

    @property
    def mutant(self) -> Mutant:
        return Mutant(SAMPLED, *self[:4])


FOUND: tuple[Survivor, ...] = ()
SURVIVORS = {survivor.mutant: survivor for survivor in FOUND}
