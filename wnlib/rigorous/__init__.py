"""Multiple-precision and ball arithmetic: any number of digits, and enclosures. Needs the extra `rigorous`."""

from wnlib.errors import require

require("rigorous", "mpmath", "flint")
