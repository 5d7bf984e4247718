"""``make demo``: a camera node on a video file, the planner node, tasks on a topic, and the plans that come back.

The nodes are processes of their own, as on a robot. Ends with status 0 when every plan was right, 1 when one was
wrong, 2 when the demo could not run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dgemma_ros.console import plan_view, terminal
from dgemma_ros.console.listening import Listener
from dgemma_ros.errors import DgemmaError
from dgemma_ros.installed import share

START_WITHIN = 90.0
PLAN_WITHIN = 30.0


class DemoError(DgemmaError):
    """The demo could not be run to its end."""


@dataclass(frozen=True)
class Question:
    """A task, and the right plan for it: skill and arguments of each step; in any order unless ``ordered``."""

    task: str
    plan: list[tuple[str, dict[str, Any]]]
    ordered: bool

    def right(self, message: Any) -> bool:
        """Whether the plan is valid and says just this."""
        steps = [(step.skill, json.loads(step.arguments_json)) for step in message.steps]
        if not message.valid:
            return False
        return steps == self.plan if self.ordered else sorted(map(repr, steps)) == sorted(map(repr, self.plan))


def questions(file: Path) -> list[Question]:
    """The demo's tasks, from the file beside its clip."""
    return [
        Question(entry["task"], [(step.pop("skill"), step) for step in entry["plan"]], entry.get("ordered", True))
        for entry in yaml.safe_load(file.read_text())["tasks"]
    ]


class Demo:
    """The processes and what is said about them."""

    def __init__(self, model: Path, clip: Path, logs: Path) -> None:
        self._console = terminal.console(stderr=False)
        self._model, self._clip, self._logs = model, clip, logs
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        self.drafts: deque[Any] = deque()
        """Heard and not yet shown."""

    def tell(self, text: Any = "", style: str = "") -> None:
        """Says something on the terminal."""
        self._console.print(text, style=style or None)

    def start(self, what: str, **parameters: object) -> None:
        """Starts a node as a process, and says how to do the same by hand."""
        command = ["-m", f"dgemma_ros.nodes.{what}", "--ros-args"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        self.tell(f"$ python {' '.join(command)}", "dim")
        with (self._logs / f"{what}.log").open("wb") as log:
            self._nodes[what] = subprocess.Popen([sys.executable, *command], stdout=log, stderr=subprocess.STDOUT)

    def stop(self) -> None:
        """Ends the nodes as Ctrl-C would."""
        for node in self._nodes.values():
            with contextlib.suppress(ProcessLookupError):
                node.send_signal(signal.SIGINT)
        for node in self._nodes.values():
            try:
                node.wait(5)
            except subprocess.TimeoutExpired:
                node.kill()

    def wait(self, condition: Callable[[], Any], what: str, seconds: float) -> Any:
        """Waits for something, and for the nodes to be well meanwhile. Raises :class:`DemoError`."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            for name, node in self._nodes.items():
                if node.poll() is not None:
                    lines = (self._logs / f"{name}.log").read_text(errors="replace").strip().splitlines()
                    raise DemoError(f"the {name} node ended: {lines[-1] if lines else 'it said nothing'}")
            if time.monotonic() > end:
                raise DemoError(f"waited {seconds:.0f} s for {what}; the nodes' logs are in {self._logs}")
            time.sleep(0.01)
        return value

    def run(self, listener: Listener, asked: list[Question]) -> bool:
        """The whole demo; whether every plan was right."""
        began = time.monotonic()
        self.tell("A camera plays a video, and the planner watches it:", "bold")
        self.start("camera", source=self._clip)
        # Each task stands alone: nano has learned earlier plans only where they are to be changed.
        self.start("planner", model=self._model, threads=1, budget=10.0, max_turns=0)
        self.wait(lambda: listener.figures.get("state") == "active", "the planner to be ready", START_WITHIN)
        self.wait(lambda: float(listener.figures.get("context frames", 0)) >= 2, "pictures", START_WITHIN)
        figures = listener.figures
        self.tell(f"Ready after {time.monotonic() - began:.1f} s: {figures['model']} on {figures['backend']}.")
        right = [self.ask(listener, question) for question in asked]
        self.tell()
        verdict = f"{sum(right)} of {len(right)} plans are right."
        self.tell(verdict, "bold green" if all(right) else "bold red")
        self.tell("The clip was chosen for that; engines/nano/README.md says how often nano is right at all.", "dim")
        return all(right)

    def ask(self, listener: Listener, question: Question) -> bool:
        """Sends one task and shows what comes back; whether it is right."""
        self.tell()
        self.tell(f"$ ros2 topic pub -1 /task std_msgs/msg/String \"data: '{question.task}'\"", "bold cyan")
        self.wait(lambda: listener.say(question.task), "the planner to listen", START_WITHIN)

        def answered() -> Any:
            while self.drafts:
                self._show(self.drafts.popleft())
            plan = listener.plan
            return plan if plan is not None and plan.task == question.task and not self.drafts else None

        plan = self.wait(answered, "the plan", PLAN_WITHIN)
        self.tell(plan_view.plan_table(plan))
        self.tell(plan_view.figures(plan), "dim")
        right = question.right(plan)
        if not right:
            wanted = "; ".join(f"{skill} {json.dumps(arguments)}" for skill, arguments in question.plan)
            self.tell(f"This is wrong. Right would be: {wanted}", "red")
        return right

    def _show(self, draft: Any) -> None:
        """A draft in a line, so that the canvas is seen to sharpen."""
        from rich.text import Text

        head = Text(f"  step {draft.step + 1:2d} of {draft.steps}  {draft.mean_entropy:6.3f} nats  ", "dim")
        line = head + plan_view.canvas(draft)
        line.truncate(max(self._console.width - 1, 60), overflow="ellipsis")
        self.tell(line)


TRY = """
The nodes run on; Ctrl-C ends them. In another shell, with the same ROS_DOMAIN_ID ({domain}):
  .venv/bin/dgemma watch
  .venv/bin/dgemma ask "clear the table, everything goes into the left tray"
or, where ROS 2 Jazzy is installed:
  ros2 topic pub -1 /task std_msgs/msg/String "data: 'clear the table, everything goes into the left tray'"
  ros2 topic echo /plan_text
  ros2 topic hz /image_raw
  ros2 param set /planner budget 0.5
  ros2 lifecycle get /planner
  ros2 action send_goal -f /generate_plan dgemma_msgs/action/GeneratePlan "{{task: {{text: 'take the red one'}}}}"
"""


def main() -> int:
    """``python -m dgemma_ros.nodes.demo [--show]``."""
    parser = argparse.ArgumentParser(prog="dgemma_ros.nodes.demo", description=__doc__)
    parser.add_argument("--show", action="store_true", help="leave the nodes running, and say what to try")
    parser.add_argument("--model", type=Path, default=share("engines/nano"))
    parser.add_argument("--clip", type=Path, default=share("launch/demo/tabletop.mp4", "demo/tabletop.mp4"))
    options = parser.parse_args()
    if options.model is None or options.clip is None:
        parser.error("this installation has no nano checkpoint or no clip: give --model and --clip")
    if not options.show:  # nobody else is to be disturbed, nor to disturb
        os.environ["ROS_DOMAIN_ID"] = str(os.getpid() % 100 + 1)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    logs = Path(tempfile.mkdtemp(prefix="dgemma_demo_"))
    os.environ.setdefault("ROS_LOG_DIR", str(logs))
    demo = Demo(options.model, options.clip, logs)
    try:
        with Listener(on_draft=demo.drafts.append) as listener:
            well = demo.run(listener, questions(options.clip.with_suffix(".yaml")))
            if options.show:
                demo.tell(TRY.format(domain=os.environ.get("ROS_DOMAIN_ID", "0")))
                demo.wait(lambda: False, "Ctrl-C", 1e9)
    except (DgemmaError, OSError) as error:
        terminal.note(str(error))
        return 2
    except KeyboardInterrupt:
        return 0 if options.show else 130
    finally:
        demo.stop()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
