"""`dgemma doctor --model` about a folder that the builder wrote, on a machine that is said to be this or that."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from dgemma_ros.cli.doctor import robot
from dgemma_ros.finding import Finding, State
from dgemma_ros.trt import device, engine
from dgemma_ros.trt.device import DeviceInfo
from tests.trt.conftest import Built
from tests.trt.simulated import INFO, VERSION


def test_engines_are_held_to_this_gpu_and_tensorrt(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    def on(info: DeviceInfo, version: str) -> Finding:
        monkeypatch.setattr(engine, "import_tensorrt", lambda: SimpleNamespace(__version__=version))
        monkeypatch.setattr(device, "CudaDevice", lambda: SimpleNamespace(info=info))
        return robot.engines(built("plain"))

    assert on(INFO, VERSION).state is State.OK
    other = on(replace(INFO, name="NVIDIA GeForce RTX 5090", architecture=120), VERSION)
    assert other.state is State.WRONG and "but this is NVIDIA GeForce RTX 5090 (sm_120)" in other.detail
    newer = on(INFO, "10.17.0.1")
    assert newer.state is State.WRONG and "this machine has 10.17.0.1" in newer.detail
    assert "dgemma build" in newer.fix and "dgemma build" in other.fix
