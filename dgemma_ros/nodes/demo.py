"""``make demo``: the closed loop on the tabletop; with ``--clip FILE``, plans about a video.

The nodes are processes of their own, as on a robot. Ends with status 0 when the goal was reached (all plans were
right), 1 when not, 2 when the demo could not run.
"""

from __future__ import annotations

if __name__ == "__main__":  # before all else is imported
    from dgemma_ros.nodes import start

    start.demo()

import argparse
import os
import tempfile
from pathlib import Path

from dgemma_ros.console import terminal
from dgemma_ros.console.listening import Listener
from dgemma_ros.console.loop import Loop
from dgemma_ros.console.processes import Nodes, own_domain
from dgemma_ros.errors import DgemmaError
from dgemma_ros.installed import share
from dgemma_ros.nodes import demo_clip, demo_loop
from dgemma_ros.nodes.demo_view import View

TRY = """
The nodes run on; Ctrl-C ends them. In another shell, with the same ROS_DOMAIN_ID ({domain}):
  .venv/bin/dgemma watch
  .venv/bin/dgemma ask "clear the table, everything goes into the left tray"
or, where ROS 2 Jazzy is installed:
  ros2 topic pub -1 /task std_msgs/msg/String "data: 'clear the table, everything goes into the left tray'"
  ros2 topic echo /plan_text
  ros2 topic echo /execution
  ros2 topic hz /image_raw
  ros2 param set /planner budget 0.5
  ros2 lifecycle get /planner
  ros2 action send_goal -f /generate_plan dgemma_msgs/action/GeneratePlan "{{task: {{text: 'take the red one'}}}}"
"""


def main() -> int:
    """``python -m dgemma_ros.nodes.demo [--show] [--clip FILE]``."""
    parser = argparse.ArgumentParser(prog="dgemma_ros.nodes.demo", description=__doc__)
    parser.add_argument("--show", action="store_true", help="leave the nodes running, and say what to try")
    parser.add_argument("--model", type=Path, default=share("engines/nano"))
    parser.add_argument("--clip", type=Path, help="a video, with its questions in a .yaml beside it")
    options = parser.parse_args()
    if not options.show:
        own_domain()
    logs = Path(tempfile.mkdtemp(prefix="dgemma_demo_"))
    os.environ.setdefault("ROS_LOG_DIR", str(logs))
    view = View()
    nodes = Nodes(logs, view.command)
    try:
        if options.clip:
            with Listener(on_draft=view.drafts.append) as listener:
                well = demo_clip.run(view, nodes, listener, options.model, options.clip)
                _stay(options.show, view, nodes)
        else:
            with Loop(nodes, view.drafts.append) as loop:
                well = demo_loop.run(view, nodes, loop, options.model)
                _stay(options.show, view, nodes)
    except (DgemmaError, OSError) as error:
        terminal.note(str(error))
        return 2
    except KeyboardInterrupt:
        return 0 if options.show else 130
    finally:
        nodes.stop()
    return 0 if well else 1


def _stay(show: bool, view: View, nodes: Nodes) -> None:
    if show:
        view.tell(TRY.format(domain=os.environ.get("ROS_DOMAIN_ID", "0")))
        nodes.wait(lambda: False, "Ctrl-C", 1e9)
