"""How a chapter shows a theorem."""

from dataclasses import dataclass
from typing import Any

from companion.theorems import theorem


@dataclass(frozen=True)
class Excerpt:
    """A part of a theorem's text, which a notebook shows as Markdown and the book as a proof environment."""

    name: str
    part: str
    markdown: str

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, str]]:
        data = {"text/markdown": self.markdown, "text/plain": f"{self.part} of {self.name}"}
        return data, {"theorem": self.name, "part": self.part}


def statement(name: str) -> Excerpt:
    """What the theorem says. Raises ValueError for a name that no file has."""
    found = theorem(name)
    return Excerpt(name, "statement", f"**{found.noun.capitalize()} ({found.text.title}).** {found.text.statement}")


def proof(name: str) -> Excerpt:
    """Its proof, or why an observation has none. Raises ValueError for a name that no file has."""
    found = theorem(name)
    return Excerpt(name, "proof", f"*{found.argument}.* {found.text.proof}")
