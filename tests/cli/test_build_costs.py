"""`dgemma build --dry-run`: what it says, and that docs/tensorrt.md says the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dgemma_ros.cli.app import run
from dgemma_ros.trt import targets
from tests.conftest import Folders
from tests.sparse import RELEASED, make_released

PAGE = Path(__file__).parents[2] / "docs" / "tensorrt.md"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The released model's config.json, and no weights."""
    folder = tmp_path_factory.mktemp("config")
    shutil.copyfile(RELEASED, folder / "config.json")
    return folder


def test_the_page_says_what_the_command_prints(released: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", str(released), "--target", "all", "--dry-run"]) == 0
    page, printed = PAGE.read_text(), capsys.readouterr().out.splitlines()
    assert len(printed) == 2 + 2 + 1 + 2 + 2 * len(targets.names())
    for row in printed:
        assert row in page, f"docs/tensorrt.md lacks what `dgemma build FOLDER --target all --dry-run` prints: {row}"


def test_what_the_released_model_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Against figures counted by hand: shared facts of the model, not of this code."""
    for nvfp4, experts, weights in ((False, 45.68, 51.6), (True, 12.85, 18.8)):
        folder = make_released(tmp_path / str(nvfp4), nvfp4)
        assert run(["build", str(folder), "--target", "thor", "--dry-run", "--json"]) == 0
        (cost,) = json.loads(capsys.readouterr().out)["costs"]
        assert cost["weight_types"]["experts"] == ("nvfp4" if nvfp4 else "bfloat16")
        assert cost["step_bytes"]["experts"] / 1e9 == pytest.approx(experts, abs=0.01)
        assert cost["weights"] / 1e9 == pytest.approx(weights, abs=0.1)
        assert cost["bound"] + sum(cost["engines"].values()) == cost["weights"]
        assert sum(cost["step_ms"].values()) == pytest.approx(1e3 * sum(cost["step_bytes"].values()) / 273e9)
        assert cost["fits"] and [cache["context"] for cache in cost["caches"]] == [8192, 32768, 131072]
        assert cost["caches"][-1]["nbytes"] - cost["caches"][0]["nbytes"] == 20_480 * (131_072 - 8192)
        assert cost["build_peak"] < 30e9


def test_what_fits(released: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", str(released), "--target", "rtx4090", "--dry-run", "--json"]) == 0
    bf16, nvfp4 = json.loads(capsys.readouterr().out)["costs"]
    assert not bf16["fits"] and nvfp4["fits"]
    assert run(["build", str(released), "--target", "rtx4090", "--dry-run"]) == 0
    assert "does not fit: choose another target" in capsys.readouterr().out


def test_dense_experts_cost_what_they_write(released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "mine.yaml"
    text = (targets.folder() / "thor.yaml").read_text()
    recipe.write_text(text.replace("experts: plugins", "experts: dense"))
    assert run(["build", str(released), "--target", str(recipe), "--dry-run", "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)["costs"][0]
    assert cost["experts"] == "dense" and cost["engines"]["backbone"] > 48e9
    assert cost["dense_extra_ms"] == pytest.approx(1e3 * 19.4e9 / 273e9, rel=0.01)
    assert cost["build_peak"] > 190e9


def test_kernels_that_do_not_take_a_model_are_not_counted(
    checkpoint: Folders, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["build", str(checkpoint("plain")), "--target", "thor", "--dry-run"]) == 0
    assert "experts in bfloat16 by plugins, attention by tensorrt" in capsys.readouterr().out


def test_nothing_is_written_and_mistakes_are_one_line(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["build", str(released), "--target", "toaster", "--dry-run"]) == 2
    assert "no target 'toaster'" in capsys.readouterr().err
    assert run(["build", str(tmp_path / "nowhere"), "--target", "thor", "--dry-run"]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert run(["build", str(released), "--target", "thor", "--out", str(tmp_path / "out"), "--dry-run"]) == 0
    assert not (tmp_path / "out").exists()
