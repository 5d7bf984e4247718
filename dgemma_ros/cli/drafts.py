"""The canvas as it sharpens, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from dgemma_ros.cli import terminal

if TYPE_CHECKING:
    from rich.text import Text

    from dgemma_ros.checkpoint.tokenizer import Tokenizer
    from dgemma_ros.runtime.canvas_loop import Draft

_SURE, _UNSURE = 0.1, 1.0  # nats
_STYLES: Final = ("", "yellow", "dim")
_PER_SECOND: Final = 12


@contextmanager
def live(tokenizer: Tokenizer, eos_ids: tuple[int, ...]) -> Iterator[Callable[[int, Draft], None] | None]:
    """What to call with each draft, or None where stderr is no terminal and nobody would see it."""
    console = terminal.console()
    if not console.is_terminal:
        yield None
        return
    from rich.live import Live

    with Live(console=console, transient=True, refresh_per_second=_PER_SECOND) as view:
        yield lambda canvas, draft: view.update(picture(tokenizer, eos_ids, canvas, draft))


def picture(tokenizer: Tokenizer, eos_ids: tuple[int, ...], canvas: int, draft: Draft) -> Text:
    """One draft up to its end token; the less sure a token is, the paler."""
    from rich.text import Text

    text = Text(f"canvas {canvas + 1}, step {draft.step + 1} of {draft.steps}, {draft.mean_entropy:.3f} nats\n", "dim")
    for token, entropy in zip(draft.argmax.tolist(), draft.entropy.tolist(), strict=True):
        if token in eos_ids:
            break
        style = _STYLES[(entropy > _SURE) + (entropy > _UNSURE)]
        text.append(terminal.clean(tokenizer.decode([token])), style or "default")
    return text
