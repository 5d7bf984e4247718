"""What `dgemma doctor` sees of the graph: the other nodes, and two that share a name."""

from __future__ import annotations

from dgemma_ros.cli.doctor import robot
from dgemma_ros.finding import Finding, State
from tests.nodes.graph import ROOT, Graph, until

CLIP = ROOT / "launch" / "demo" / "tabletop.mp4"


def seen(what: str, but: str = "nothing of this") -> Finding:
    """What the doctor says, asked again until the graph has come so far."""
    found: Finding

    def there() -> bool:
        nonlocal found
        found = robot.graph()
        return what in found.detail and but not in found.detail

    until(there, what)
    return found


def test_nodes_and_twins(graph: Graph) -> None:
    cameras = [graph.start("camera", "seen", source=CLIP) for _ in range(2)]
    for camera in cameras:
        until(lambda camera=camera: " Hz on " in camera.output, "a camera")
    twins = seen("several nodes are called /seen/camera")
    assert twins.state is State.WARNING and "__node" in twins.fix and "ROS_DOMAIN_ID" in twins.fix
    cameras[0].end()
    one = seen("/seen/camera", but="several")
    assert one.state is State.OK and "/doctor" not in one.detail
    cameras[1].end()
