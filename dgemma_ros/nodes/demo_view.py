"""What the demos say on the terminal: lines, drafts as the canvas sharpens, plans."""

from __future__ import annotations

from collections import deque
from typing import Any

from dgemma_ros.console import plan_view, terminal


class View:
    """The demo's terminal. Drafts are heard by another thread, and shown when :meth:`drafts_so_far` is called."""

    def __init__(self) -> None:
        self._console = terminal.console(stderr=False)
        self.drafts: deque[Any] = deque()
        """Heard and not yet shown."""

    def tell(self, text: Any = "", style: str = "") -> None:
        """Says something."""
        self._console.print(text, style=style or None)

    def command(self, text: str) -> None:
        """How to do the same by hand."""
        self.tell(text, "dim")

    def drafts_so_far(self) -> None:
        """Shows the drafts that have come, each in a line, so that the canvas is seen to sharpen."""
        from rich.text import Text

        while self.drafts:
            draft = self.drafts.popleft()
            head = Text(f"  step {draft.step + 1:2d} of {draft.steps}  {draft.mean_entropy:6.3f} nats  ", "dim")
            line = head + plan_view.canvas(draft.tokens, draft.entropy, draft.settled)
            line.truncate(max(self._console.width - 1, 60), overflow="ellipsis")
            self.tell(line)

    def plan(self, plan: Any) -> None:
        """A plan and its figures."""
        self.tell(plan_view.plan_table(plan))
        self.tell(plan_view.figures(plan), "dim")
