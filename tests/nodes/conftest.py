"""The nodes' tests need rclpy and the built interfaces, which `make test` brings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.nodes.graph import Graph, Process

try:
    import dgemma_msgs  # noqa: F401
    import rclpy  # noqa: F401
except ImportError:
    collect_ignore_glob = ["test_*.py"]
    HAVE_ROS = False
else:
    HAVE_ROS = True


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights, in nano's shape."""
    from tests.nodes import stand_in

    return stand_in.make(tmp_path_factory.mktemp("stand_in"))


@pytest.fixture(scope="session")
def ros(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from tests.nodes.graph import own_graph

    with own_graph(tmp_path_factory.mktemp("ros")):
        yield


@pytest.fixture(scope="module")
def graph(ros: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Graph]:
    """A client node; what is started through it ends with the module."""
    from tests.nodes.graph import Graph

    graph = Graph(tmp_path_factory.mktemp("graph"))
    yield graph
    graph.close()


@pytest.fixture(scope="module")
def planner(graph: Graph, model: Path) -> Process:
    """A planner that is active, shared by the tests of a module."""
    process = graph.start("planner", model=model, threads=1, budget=20.0, max_steps=8, repair=False, max_canvases=1)
    graph.until_active(process)
    return process
