"""A planner node whose planner another one holds while it is freed, as a callback in another thread may."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from dgemma_ros.nodes import process
from dgemma_ros.nodes.planner import PlannerNode


class HeldPlanner(PlannerNode):
    """Says when its planner is gone from memory."""

    def on_cleanup(self, state: Any) -> Any:
        """Lets the planner go a little later than the node does."""
        held = self._planner
        self.gone = weakref.ref(held, lambda reference: print("the planner is gone", flush=True))
        done = super().on_cleanup(state)
        del held
        return done


if __name__ == "__main__":
    sys.exit(process.run(HeldPlanner))
