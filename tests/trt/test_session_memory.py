"""What a session holds on the device, where it runs out, and what is freed when."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dgemma_ros.checkpoint.traffic import step_traffic
from dgemma_ros.errors import BackendError, ContextError, DeviceMemoryError
from dgemma_ros.trt import session
from dgemma_ros.trt.device import copy_bandwidth
from tests.trt.conftest import NAMES, Opened, tokens
from tests.trt.simulated_device import SimulatedDevice


def test_what_a_step_reads_and_what_is_held(open_built: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "copy_bandwidth", partial(copy_bandwidth, rows=2, copies=2))
    device = SimulatedDevice()
    model = open_built(NAMES[0], device)
    sequence = model.sequence()
    assert sequence.cache.nbytes == 0
    before = device.used()
    sequence.append(np.arange(20))
    assert 0 < sequence.cache.nbytes <= device.used() - before
    assert model.session.device_memory() == device.used()
    held = device.used()
    assert model.session.traffic(20) == step_traffic(model.config, 20, "float32", cache="float32")
    bandwidth = model.session.bandwidth()
    assert bandwidth is not None and bandwidth > 0
    assert device.used() == held
    device.room = held + 1000
    with pytest.raises(DeviceMemoryError, match="bandwidth"):
        model.session.bandwidth()
    assert device.used() == held
    model.session.close()


def test_a_snapshot_stays_on_the_device_and_is_freed(open_built: Opened) -> None:
    device = SimulatedDevice()
    model = open_built(NAMES[0], device)
    sequence = model.sequence()
    sequence.append(np.arange(20))
    held, downloads = device.used(), device.downloads
    snapshot = sequence.snapshot()
    sequence.append(np.arange(5))
    sequence.restore(snapshot)
    assert device.downloads == downloads and device.used() > held
    device.room = device.used() + 10
    with pytest.raises(DeviceMemoryError, match="KV cache's window"):
        sequence.snapshot()
    del snapshot
    assert device.used() == held
    model.session.close()


def test_memory_runs_out_and_comes_back(open_built: Opened) -> None:
    device = SimulatedDevice()
    model = open_built(NAMES[0], device)
    sequence = model.sequence()
    sequence.append(np.arange(20))
    before = tokens(model, sequence, 1)
    device.room = sum(array.nbytes for array in device.memory.values()) + 100
    with pytest.raises(DeviceMemoryError, match="KV cache"):
        sequence.append(np.zeros(100, np.int64))
    device.room = 1e9
    assert tokens(model, sequence, 1) == before
    model.session.close()
    model.session.close()
    assert device.closed
    assert not device.memory


def test_a_session_that_does_not_fit_is_named(open_built: Opened) -> None:
    with pytest.raises(DeviceMemoryError, match="embedding table"):
        open_built(NAMES[0], SimulatedDevice(room=100))


def test_the_context_ends_at_the_largest_bucket(open_built: Opened) -> None:
    model = open_built(NAMES[0])
    assert model.session.max_rows == 512 < model.session.config.text.max_positions
    sequence = model.sequence()
    sequence.append(np.zeros(400, np.int64))
    with pytest.raises(ContextError, match="limit is 512"):
        sequence.append(np.zeros(113, np.int64))
    with pytest.raises(BackendError, match="allowed"):
        sequence.open_canvas({"allowed": np.ones((5, model.config.text.vocab_size), np.bool_)})
    model.session.close()


def test_a_cache_that_nobody_holds_is_freed(open_built: Opened) -> None:
    device = SimulatedDevice()
    model = open_built(NAMES[0], device)
    sequence = model.sequence()
    sequence.append(np.arange(20))
    held = set(sequence.cache.addresses.values())
    assert held <= device.memory.keys()
    del sequence
    assert not held & device.memory.keys()
    model.session.close()


def test_no_graph_outlives_its_cache(open_built: Opened) -> None:
    """Sequences come and go, and with them addresses that look like those of before."""
    device = SimulatedDevice()
    model = open_built(NAMES[0], device)
    versions, found = set(), []
    for _ in range(6):
        sequence = model.sequence()
        sequence.append(np.arange(20))
        versions.add(sequence.cache.version)
        found.append(tokens(model, sequence, 1))
        del sequence
    assert len(versions) == 6
    assert all(one == found[0] for one in found)
    assert device.captures == 6
    model.session.close()
