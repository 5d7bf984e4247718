"""Builder, plugins and session over the real Python bindings of both major versions, without TensorRT.

It shows that every name, keyword and argument type that we use exists and is taken. It shows no meaning: what the
stubs return is made up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Folders
from tests.trt import bindings
from tests.trt.conftest import Built

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TensorRT's bindings are for Linux")


@pytest.mark.parametrize("major", list(bindings.TENSORRT))
def test_under_stubs(major: int, checkpoint: Folders, built: Built, tmp_path: Path) -> None:
    if not bindings.ready(major):
        bindings.make()  # fails where it cannot: a check that did not run must not look like one that passed
    environment = {**os.environ, "PYTHONPATH": bindings.path(major)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.trt.under_stubs", str(checkpoint("images")), str(built("images")), str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["version"] == bindings.TENSORRT[major]
    assert answer["calls"]["OnnxParser.load_initializer"] > 50


@pytest.mark.parametrize("major", list(bindings.TENSORRT))
def test_without_a_driver_it_is_one_line(major: int, built: Built) -> None:
    if not bindings.ready(major):
        bindings.make()
    command = [sys.executable, "-m", "dgemma_ros.cli", "build", str(built("plain")), "--target", "thor"]
    environment = {**os.environ, "PYTHONPATH": bindings.path(major)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("dgemma: CUDA: cudaSetDevice failed with cudaError")
