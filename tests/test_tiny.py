"""The tiny checkpoints and cases must be the same on every machine, or the golden answers are to nothing."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dgemma_ros.checkpoint.config import read_config
from dgemma_ros.checkpoint.fields import Section
from tests.cases import GOLDEN, golden, load_golden, make_case
from tests.tiny import TINIES, Noise, config_json, weights


def digest(arrays: dict[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(name.encode() + str(arrays[name].dtype).encode() + arrays[name].tobytes())
    return total.hexdigest()[:16]


def test_weights_do_not_depend_on_the_machine() -> None:
    assert {name: digest(weights(tiny)) for name, tiny in TINIES.items()} == WEIGHTS


def test_cases_do_not_depend_on_the_machine() -> None:
    config = read_config(Section(GOLDEN, config_json(TINIES["images"])))
    case = make_case(config, 4, images=2, pinned=True, disallowed=True)
    assert digest(case) == CASE


def test_noise_is_spread_as_it_says() -> None:
    noise = Noise("spread")
    uniform, normal, whole = noise.uniform((20_000,)), noise.normal((20_000,)), noise.integers(3, 7, (20_000,))
    assert uniform.min() >= 0 and uniform.max() < 1 and abs(uniform.mean() - 0.5) < 0.01
    assert abs(normal.mean()) < 0.03 and abs(normal.std() - 1) < 0.02
    assert set(whole.tolist()) == {3, 4, 5, 6}


@pytest.mark.parametrize("name", golden())
def test_golden_cases_are_well_formed(name: str) -> None:
    tiny, case, expected = load_golden(name)
    canvas = TINIES[tiny].canvas
    steps = len(case["temperature"])
    assert case["canvas"].shape == case["uniform"].shape == case["random_tokens"].shape == (steps, canvas)
    assert case["chunks"].sum() == len(case["input_ids"]) == len(case["token_types"])
    assert expected["argmax"].shape == (steps, canvas) and np.isfinite(expected["entropy"]).all()
    cuts = np.cumsum(case["chunks"])[:-1]
    assert not ((case["token_types"][cuts - 1] == 1) & (case["token_types"][cuts] == 1)).any()


def test_golden_files_stay_small() -> None:
    assert len(golden()) >= 30
    assert sum(file.stat().st_size for file in GOLDEN.iterdir()) < 1_000_000


WEIGHTS = {
    "plain": "aaf07b154e14c0bc",
    "images": "98b17155405b8ed1",
    "small_window": "34ecd032f8295b56",
    "many_experts": "772f7f72cb8e3c7e",
    "all_full": "ad910f91e65e7225",
    "odd_pattern": "70f153b742f75022",
    "contractive": "deeebbe191e515bd",
}
CASE = "70e6e00fe762e034"
