"""Every golden case through the whole path, checkpoint to canvas: what transformers answered, without transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dgemma_ros.graphs.export_cache import cache_folder
from dgemma_ros.model import Model, open_model
from dgemma_ros.verification.replay import load_case, replay
from tests.cases import GOLDEN, golden, load_golden
from tests.compare import Report, compare
from tests.conftest import Folders, Models
from tests.tiny import TINIES

REPORTS: list[Report] = []


def answers(model: Model, name: str) -> dict[str, np.ndarray]:
    return replay(model, load_case(GOLDEN / f"{name}.npz", model.config), with_logits=True, with_cache=True)


def check(name: str, ours: dict[str, np.ndarray]) -> Report:
    _, _, expected = load_golden(name)
    report = compare(ours, expected)
    assert not report.wrong
    assert {key for key in expected if not key.endswith("_margin")} <= ours.keys()
    return report


@pytest.mark.parametrize("name", golden())
def test_from_the_checkpoint(name: str, opened: Models) -> None:
    ours = answers(opened(name.rpartition("-")[0]), name)
    REPORTS.append(check(name, ours))


def test_few_choices_were_ties() -> None:
    """Runs behind the cases: a tolerance that is used often would hide a defect."""
    if len(REPORTS) < len(golden()):
        pytest.skip("not all cases were run")
    ties = sum(sum(report.ties.values()) for report in REPORTS)
    assert ties <= sum(report.compared for report in REPORTS) / 500
    assert max(value for report in REPORTS for value in report.worst.values()) < 8e-5


@pytest.mark.parametrize("name", [f"{tiny}-{'text' if TINIES[tiny].vision is None else 'image'}" for tiny in TINIES])
def test_from_an_exported_folder_is_the_same_bit_for_bit(name: str, opened: Models, exported: Folders) -> None:
    tiny = name.rpartition("-")[0]
    folder = exported(tiny)
    assert (folder / "manifest.json").exists() and not list(folder.glob("*.safetensors"))
    ours, bare = answers(open_model(folder, threads=1), name), answers(opened(tiny), name)
    check(name, ours)
    assert ours.keys() == bare.keys()
    for key, value in ours.items():
        assert np.array_equal(value, bare[key]), key


def test_a_bare_checkpoint_is_exported_to_the_cache_once(checkpoint: Folders, cache_home: Path) -> None:
    assert cache_folder().is_relative_to(cache_home)
    folder = checkpoint("plain")
    before = sorted(path.name for path in folder.iterdir())
    made: list[str] = []
    open_model(folder, threads=1)  # may be the first, or not
    open_model(folder, threads=1, on_progress=made.append)
    assert not made
    assert sorted(path.name for path in folder.iterdir()) == before
