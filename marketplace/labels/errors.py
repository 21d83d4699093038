"""What is wrong with a schema or an answer, and where."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Error:
    """One problem, said plainly.

    path     where, as `fields[0].options[2].value`; empty = the whole value
    code     type, missing, unknown, range, length, option, duplicate, name or text
    message  what is expected, never longer than a line
    """

    path: str
    code: str
    message: str

    def under(self, parent: str) -> "Error":
        """The same problem seen from outside `parent`."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        return replace(self, path=f"{parent}{joint}{self.path}")


def refuse(errors: list[Error]) -> None:
    """Raise ValueError with the first message, if there is one."""
    if errors:
        raise ValueError(errors[0].message)


def shown(text: str) -> str:
    """Foreign text made safe and short enough for a path or a message."""
    safe = text[:40].replace("\x00", "?").encode("utf-8", "replace").decode()
    return safe + "…" if len(text) > 40 else safe
