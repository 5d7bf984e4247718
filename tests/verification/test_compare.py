from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dgemma_ros.verification.case import load_case
from dgemma_ros.verification.compare import TOLERANCES, Report, compare
from dgemma_ros.verification.margins import margins
from dgemma_ros.verification.replay import replay
from tests.cases import GOLDEN, golden, load_golden
from tests.conftest import Models

EXACT = TOLERANCES["float32"]
Arrays = dict[str, np.ndarray]


@pytest.fixture
def expected() -> Arrays:
    return load_golden("images-image")[2]


def changed(arrays: Arrays, name: str, at: tuple[int, ...], by: float) -> Arrays:
    copy = arrays[name].copy()
    copy[at] = ~copy[at] if copy.dtype == np.bool_ else copy[at] + by
    return arrays | {name: copy}


def test_the_same_is_right(expected: Arrays) -> None:
    report = compare(expected, expected)
    assert not report.wrong and not any(report.ties.values()) and not any(report.worst.values())
    assert report.compared == expected["argmax"].size and report.tensors == 16


@pytest.mark.parametrize("by", [1e-3, np.nan, np.inf, -np.inf, 1e30])
def test_a_wrong_number_is_named(by: float, expected: Arrays) -> None:
    (one,) = compare(changed(expected, "key_2", (1, 5, 7), by), expected).wrong
    assert (one.tensor, one.at, one.count) == ("key_2", (1, 5), 1)
    assert str(one).startswith("key_2: 1 of 56 differ, the first at [1, 5], off by ")


def test_within_the_tolerance_is_right(expected: Arrays) -> None:
    report = compare(changed(expected, "logits", (1, 2, 3), 9e-5), expected)
    assert not report.wrong and report.worst["logits"] == pytest.approx(9e-5, rel=0.1)


def test_the_first_in_the_computation_comes_first(expected: Arrays) -> None:
    """Layers before steps, earlier steps before later ones, logits before what is made of them."""
    wrong = expected
    order = [("key_1", (0, 0, 0)), ("value_1", (0, 0, 0)), ("key_3", (0, 0, 0)), ("logits", (0, 3, 0))]
    order += [("entropy", (0, 3)), ("argmax", (0, 0)), ("mean_entropy", (1,)), ("drawn", (1, 4))]
    for name, at in reversed(order):
        wrong = changed(wrong, name, at, 1)
    kept = {name: array for name, array in expected.items() if not name.endswith("_margin")}
    found = compare(wrong, kept).wrong
    assert [one.tensor for one in found if one.tensor != "stop"] == [name for name, _ in order]


def test_ties_are_counted_apart(expected: Arrays) -> None:
    for name, margin in (("argmax", "argmax_margin"), ("drawn", "draw_margin"), ("accepted", "bound_margin")):
        near = expected | {margin: expected[margin].copy()}
        near[margin][1, 3] = EXACT.tie / 2
        other = changed(expected, name, (1, 3), 1)
        report = compare(other, near)
        assert not report.wrong and report.ties[name] == 1
        near[margin][1, 3] = EXACT.tie * 2
        assert [one.tensor for one in compare(other, near).wrong] == [name]


def test_after_a_tie_the_next_canvas_may_differ(expected: Arrays) -> None:
    near = expected | {"draw_margin": np.zeros_like(expected["draw_margin"])}
    other = changed(changed(expected, "drawn", (0, 1), 1), "next_canvas", (0, 1), 1)
    assert not compare(other, near).wrong
    assert [one.tensor for one in compare(changed(expected, "next_canvas", (0, 1), 1), near).wrong] == ["next_canvas"]


def test_a_stop_counts_unless_it_was_near_or_hangs_on_a_tie(expected: Arrays) -> None:
    other = changed(expected, "stop", (1,), 0)
    far = expected | {"stop_margin": np.ones_like(expected["stop_margin"])}
    assert [one.tensor for one in compare(other, far).wrong] == ["stop"]
    assert not compare(other, expected | {"stop_margin": np.zeros_like(expected["stop_margin"])}).wrong
    tied = far | {"argmax_margin": np.zeros_like(expected["argmax_margin"])}
    assert not compare(changed(other, "argmax", (0, 0), 1), tied).wrong


def test_shapes_and_types_that_cannot_be_compared(expected: Arrays) -> None:
    ours = expected | {"key_0": expected["key_0"][:, 1:]}
    assert str(compare(ours, expected).wrong[0]) == "key_0: has shape [2, 27, 16], expected [2, 28, 16]"
    strings = expected | {"argmax": expected["argmax"].astype(str)}
    assert "no numbers" in str(compare(expected, strings).wrong[0])


def test_nothing_in_common_is_told() -> None:
    assert compare({"a": np.zeros(1)}, {"a": np.ones(1), "argmax": np.zeros(3)}) == Report(compared=3)


def test_low_precision_forgives_single_rows_and_no_more(expected: Arrays) -> None:
    """A router that picks another expert spoils a row; a device that computes wrongly spoils them all."""
    loose = TOLERANCES["bfloat16"]
    one_row = changed(expected, "logits", (0, 3), 5.0)
    assert compare(one_row, expected).wrong and not compare(one_row, expected, loose).wrong
    noisy = expected | {"logits": expected["logits"] * np.float32(1.1)}
    assert not compare(noisy, expected, loose).wrong
    assert [one.tensor for one in compare(noisy, expected, TOLERANCES["float16"]).wrong] == ["logits"]
    scrambled = expected | {"key_2": expected["key_2"][:, ::-1]}
    assert [one.tensor for one in compare(scrambled, expected, loose).wrong] == ["key_2"]
    half = expected["drawn"].copy()
    half[:, ::2] += 1
    far = expected | {"draw_margin": np.ones_like(expected["draw_margin"])}
    assert [one.tensor for one in compare(expected | {"drawn": half}, far, loose).wrong] == ["drawn"]


def test_tolerances_loosen_with_precision() -> None:
    assert set(TOLERANCES) == {"float32", "float16", "bfloat16"}
    assert replace(EXACT, tie=1e-6).tie < EXACT.tie < TOLERANCES["float16"].tie < TOLERANCES["bfloat16"].tie


@pytest.mark.parametrize("name", [name for name in golden() if name.endswith(("text", "image", "pins"))])
def test_margins_are_those_of_the_reference(name: str, opened: Models) -> None:
    """From our logits, which differ by up to 3e-5; pinned positions apart, which have no alternative."""
    tiny, _, expected = load_golden(name)
    model = opened(tiny)
    case = load_case(Path(GOLDEN / f"{name}.npz"), model.config)
    ours = margins(case, replay(model, case, with_logits=True)["logits"], float(case["confidence"]))
    assert {f for f in expected if f.endswith("_margin")} == ours.keys()
    free = ~case["pin"] if "pin" in case else np.ones(model.config.canvas_length, np.bool_)
    for key in ("argmax_margin", "draw_margin", "bound_margin"):
        assert np.allclose(ours[key][:, free], expected[key][:, free], atol=1e-4), key
    assert np.allclose(ours["stop_margin"], expected["stop_margin"], atol=1e-4)
