"""TensorRT's session against ONNX Runtime's, over a simulated device: the planner cannot tell them apart."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from dgemma_ros.errors import ContextError
from dgemma_ros.generation.canvas_loop import Pins, denoise
from dgemma_ros.runtime.noise import Noise
from dgemma_ros.runtime.sampling import Sampling
from dgemma_ros.trt import cache
from dgemma_ros.verification.compare import TOLERANCES, compare
from dgemma_ros.verification.replay import replay
from dgemma_ros.verification.verify import made_cases
from tests.conftest import Models
from tests.trt.conftest import NAMES, Opened, tokens
from tests.trt.simulated_device import SimulatedDevice

ENCODING, DENOISING = 1, 2  # the simulated device's numbers of the streams of low and high priority


@pytest.mark.parametrize("name", NAMES)
def test_replays_alike(name: str, opened: Models, open_built: Opened) -> None:
    theirs, ours = opened(name), open_built(name)
    for case in made_cases(theirs.config):
        expected = replay(theirs, case, with_logits=True, with_cache=True)
        found = replay(ours, case, with_logits=True, with_cache=True)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            if value.dtype.kind == "f":
                assert np.allclose(found[key], value, rtol=1e-4, atol=1e-4), key
            elif key != "drawn":
                assert (found[key] == value).mean() > 0.99, key
        report = compare(found, expected, TOLERANCES["float32"])
        assert not report.wrong
    ours.session.close()


@pytest.mark.parametrize("eager", [False, True])
def test_a_long_life(eager: bool, opened: Models, open_built: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Appends over several buckets, roll-backs, snapshots, edits, canvases in between: token by token the same.

    Whether the device does what is enqueued at once, or as late as the streams' order lets it.
    """
    monkeypatch.setattr(cache, "STAGING", 1000)  # a few rows, so that they move in many pieces
    device = SimulatedDevice(eager=eager)
    models = opened("small_window"), open_built("small_window", device)
    logs = []
    for model in models:
        random = np.random.Generator(np.random.Philox(key=5))
        sequence, log = model.sequence(), []
        sequence.append(random.integers(0, 100, 20))
        log.append(tokens(model, sequence, 1))
        start = sequence.snapshot()
        for length in (30, 130, 90):
            sequence.append(random.integers(0, 100, length))
            log.append(tokens(model, sequence, length))
            log.append(tokens(model, sequence, length + 1))
        sequence.rollback(sequence.length - 10)
        log.append(tokens(model, sequence, 7))
        sequence.restore(start)
        sequence.append(random.integers(0, 100, 5))
        log.append(tokens(model, sequence, 8))
        allowed = np.zeros((2, model.config.text.vocab_size), np.bool_)
        allowed[0, :7] = True
        allowed[1, 50:] = True
        row = np.arange(model.config.canvas_length) % 2
        log.append(tokens(model, sequence, 9, feeds={"allowed": allowed, "allowed_row": row}))
        log.append(tokens(model, sequence, 1))
        sequence.evict(4, 9)
        log.append(tokens(model, sequence, 2))
        sequence.shift(4, -9)
        log.append(tokens(model, sequence, 3))
        branch = sequence.snapshot()
        sequence.append(random.integers(0, 100, 40))
        sequence.evict(20, 30)
        sequence.shift(10, 1000)
        log.append(tokens(model, sequence, 4))
        sequence.rollback(sequence.length - 3)
        log.append(tokens(model, sequence, 5))
        with pytest.raises(ContextError, match="void"):
            sequence.restore(branch)
        log.append([sequence.length, sequence.position])
        logs.append(log)
    assert logs[0] == logs[1]
    assert device.captures >= 3
    assert device.launches > device.captures
    models[1].session.close()


def test_a_graph_survives_an_appended_frame(open_built: Opened) -> None:
    device = SimulatedDevice()
    model = open_built(NAMES[0], device)
    sequence = model.sequence()
    for count in (5, 6, 7):
        sequence.append(np.arange(count))
        tokens(model, sequence, count, steps=3)
    assert device.captures == 1
    assert device.launches == 3 * 3 - 1
    model.session.close()


def test_without_capture_all_runs_are_ordinary(opened: Models, open_built: Opened) -> None:
    device = SimulatedDevice()
    device.capturable = False
    ours = open_built(NAMES[0], device)
    found = []
    for model in (opened(NAMES[0]), ours):
        sequence = model.sequence()
        sequence.append(np.arange(12))
        found.append(tokens(model, sequence, 4))
    assert found[0] == found[1]
    assert device.launches == 0
    ours.session.close()


def test_a_canvas_is_opened_while_its_prompt_is_still_encoded(opened: Models, open_built: Opened) -> None:
    """The host waits for neither; the first step finds the prompt in the cache all the same."""
    device, found = SimulatedDevice(), []
    for model in (opened(NAMES[0]), open_built(NAMES[0], device)):
        sequence = model.sequence()
        sequence.append(np.arange(30))
        sequence.open_canvas({})
        sequence.append(np.arange(7))
        found.append(tokens(model, sequence, 3))
        other = model.sequence()  # nothing orders it behind the first one's canvas
        other.append(np.arange(9))
        found.append(tokens(model, other, 4))
    assert found[:2] == found[2:]


def test_encoding_and_denoising_of_two_sequences_do_not_wait_for_each_other(open_built: Opened) -> None:
    """What of the two streams overlaps: a canvas's steps leave what another sequence has enqueued where it is."""
    device = SimulatedDevice()
    model = open_built(NAMES[0], device)
    first, second = model.sequence(), model.sequence()
    first.append(np.arange(20))
    second.append(np.arange(5))
    canvas = first.open_canvas({})
    feeds = {"canvas": np.arange(model.config.canvas_length), "temperature": np.ones(1, np.float32)}
    expected = canvas.step(feeds).argmax
    second.append(np.arange(4))
    waiting = len(device.queues[ENCODING])
    assert waiting
    again = first.open_canvas({})
    assert np.array_equal(again.step(feeds).argmax, expected)
    assert len(device.queues[ENCODING]) == waiting
    first.append(np.arange(4))
    first.open_canvas({}).step(feeds)
    assert not device.queues[ENCODING]
    model.session.close()


def test_writing_a_cache_waits_for_the_steps_over_it(open_built: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an event, not because the host has waited for their results already."""
    device = SimulatedDevice()
    model = open_built(NAMES[0], device)
    sequence = model.sequence()
    sequence.append(np.arange(20))
    canvas = sequence.open_canvas({})
    with monkeypatch.context() as patch:
        patch.setattr(device, "wait", lambda stream: None)
        canvas.step({"temperature": np.ones(1, np.float32)})
    assert device.queues[DENOISING]
    sequence.append(np.arange(4))
    device.wait(ENCODING)
    assert not device.queues[DENOISING]
    model.session.close()


def test_a_canvas_is_void_once_the_cache_has_changed(opened: Models, open_built: Opened) -> None:
    for model in (opened(NAMES[0]), open_built(NAMES[0])):
        sequence = model.sequence()
        sequence.append(np.arange(20))
        start = sequence.snapshot()
        length = model.config.canvas_length
        feeds = {"canvas": np.arange(length), "temperature": np.ones(1, np.float32)}
        for change in (
            partial(sequence.append, np.arange(3)),
            partial(sequence.append, np.zeros(200, np.int64)),  # beyond the capacity
            partial(sequence.restore, start),
        ):
            canvas = sequence.open_canvas({})
            canvas.step(feeds)
            change()
            with pytest.raises(ContextError, match="void: the cache was written or resized"):
                canvas.step(feeds)
        first, other = sequence.open_canvas({}), model.sequence()
        other.append(np.arange(3))
        first.step(feeds)  # another cache is another matter
        other.open_canvas({}).step(feeds)
        with pytest.raises(ContextError, match="another one was opened"):
            first.step(feeds)


def test_parts_of_a_step_are_timed_without_changing_it(open_built: Opened) -> None:
    model = open_built(NAMES[0])
    sequence = model.sequence()
    sequence.append(np.arange(20))
    feeds = {"canvas": np.arange(model.config.canvas_length), "temperature": np.ones(1, np.float32)}
    first = sequence.open_canvas({}).step(feeds).argmax
    canvas = sequence.open_canvas({})
    canvas.step(feeds)
    times = canvas.time_parts(3)
    assert list(times) == ["embed", "backbone", "head"]
    assert all(len(each) == 3 and min(each) > 0 for each in times.values())
    assert np.array_equal(sequence.open_canvas({}).step(feeds).argmax, first)
    with pytest.raises(ContextError, match="void"):
        canvas.time_parts(1)
    model.session.close()


def test_pins_and_the_loop(opened: Models, open_built: Opened) -> None:
    ours, results = open_built(NAMES[0]), []
    for model in (opened(NAMES[0]), ours):
        length, vocab = model.config.canvas_length, model.config.text.vocab_size
        sequence = model.sequence()
        sequence.append(np.arange(10))
        pins = Pins(np.arange(length) < 4, np.full(length, 9))
        sampling = Sampling(4, 0.4, 0.8, 0.1, 1, 0.005)
        result = denoise(sequence, sampling, Noise(3, length, vocab), pins=pins)
        assert result.draft is not None
        assert (result.draft.argmax[:4] == 9).all()
        results.append(result.draft.argmax.tolist())
    assert results[0] == results[1]
    ours.session.close()
