"""The mutants on which the theorems are tried: what may be wrong in each function, and the change that makes it so.

A theorem lists the names of those that its checks must notice. `companion.verification.mutation` says how a change is
written, and makes it.
"""

from companion.verification.mutants import checks, flows, limits, models, paths
from companion.verification.mutation import Mutant

MUTANTS = {
    name: Mutant(name, function, *change)
    for part in (flows, limits, paths, models, checks)
    for function, changes in part.CHANGES.items()
    for name, change in changes.items()
}
