"""The canvas as it sharpens, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from dgemma_ros.cli import terminal

if TYPE_CHECKING:
    from rich.text import Text

    from dgemma_ros.planning import PlanDraft

_SURE, _UNSURE = 0.1, 1.0  # nats
_STYLES: Final = ("", "yellow", "dim")
_PER_SECOND: Final = 12


@contextmanager
def live() -> Iterator[Callable[[PlanDraft], None] | None]:
    """What to call with each draft, or None where stderr is no terminal and nobody would see it."""
    console = terminal.console()
    if not console.is_terminal:
        yield None
        return
    from rich.live import Live

    with Live(console=console, transient=True, refresh_per_second=_PER_SECOND) as view:
        yield lambda draft: view.update(picture(draft))


def picture(draft: PlanDraft) -> Text:
    """One draft; the less sure a token is, the paler."""
    from rich.text import Text

    head = f"canvas {draft.canvas + 1}, step {draft.step + 1} of {draft.steps}, {draft.mean_entropy:.3f} nats\n"
    text = Text(head, "dim")
    for token, entropy in zip(draft.tokens, draft.entropy, strict=True):
        style = _STYLES[(entropy > _SURE) + (entropy > _UNSURE)]
        text.append(terminal.clean(token), style or "default")
    return text
