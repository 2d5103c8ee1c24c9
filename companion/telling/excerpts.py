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
    text = theorem(name).text
    return Excerpt(name, "statement", f"**Theorem ({text.title}).** {text.statement}")


def proof(name: str) -> Excerpt:
    """Its proof. Raises ValueError for a name that no file has."""
    return Excerpt(name, "proof", f"*Proof.* {theorem(name).text.proof}")
