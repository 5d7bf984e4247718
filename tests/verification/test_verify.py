from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dgemma_ros.checkpoint.config import LayerKind, ModelConfig, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.errors import CaseError, DgemmaError
from dgemma_ros.graphs.export import first_layers
from dgemma_ros.model import Excerpt, open_model
from dgemma_ros.verification import verify as module
from dgemma_ros.verification.verify import Reference, first_period, golden_cases, made_cases, verify
from tests.cases import GOLDEN, golden
from tests.checkpoint_files import write_shards
from tests.conftest import Folders
from tests.tiny import STORED, TINIES, Tiny, config_json, weights


def config(tiny: Tiny) -> ModelConfig:
    return read_config(Section(Path("config.json"), config_json(tiny)))


@pytest.fixture
def with_cases(checkpoint: Folders, tmp_path: Path) -> Path:
    """A checkpoint with the golden cases that the reference answered for it."""
    folder = shutil.copytree(checkpoint("images"), tmp_path / "images")
    (folder / "golden").mkdir()
    for file in GOLDEN.glob("images-*.npz"):
        shutil.copy(file, folder / "golden" / file.name)
    return folder


def change(file: Path, **arrays: np.ndarray | None) -> None:
    with np.load(file) as stored:
        content = {**stored, **arrays}
    np.savez(file, **{name: array for name, array in content.items() if array is not None})


def test_golden_cases_of_the_reference(with_cases: Path) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}
    outcome = verify(with_cases, threads=1, on_progress=lambda *step: seen.setdefault(step[0], []).append(step[1:]))
    assert outcome.right and outcome.source is Reference.GOLDEN and outcome.dtype == "float32" and outcome.layers == 4
    assert [result.name for result in outcome.results] == [name for name in golden() if name.startswith("images-")]
    assert seen["images-text"] == [(0, 2), (1, 2), (2, 2)]


def test_golden_cases_travel_with_an_export(with_cases: Path, tmp_path: Path) -> None:
    from dgemma_ros.graphs.export import export

    assert verify(export(with_cases, tmp_path / "out"), threads=1).source is Reference.GOLDEN


def test_wrong_numbers_are_found(with_cases: Path) -> None:
    """Held to what another device would have said: the first layer that differs is named."""
    file = with_cases / "golden" / "images-image.expected.npz"
    with np.load(file) as stored:
        value = stored["value_1"].copy()
    value[0, 3] += 0.01
    change(file, value_1=value)
    outcome = verify(with_cases, threads=1)
    assert not outcome.right
    (bad,) = [result for result in outcome.results if not result.right]
    assert bad.name == "images-image"
    assert str(bad.report.wrong[0]).startswith("value_1: 1 of 28 differ, the first at [0, 3], off by 0.01")


def test_wrong_weights_are_found(with_cases: Path) -> None:
    """A device that computes with other numbers from the first layer on."""
    from tests.tiny import make

    make(with_cases, TINIES["images"].with_(seed=1))
    outcome = verify(with_cases, threads=1)
    first = [result.report.wrong[0].tensor for result in outcome.results]
    assert "key_0" in first and "logits" not in first and not any(result.right for result in outcome.results)


def test_answers_without_margins_take_them_from_the_logits(with_cases: Path) -> None:
    for file in (with_cases / "golden").glob("*.expected.npz"):
        change(file, argmax_margin=None, draw_margin=None, bound_margin=None, stop_margin=None)
    outcome = verify(with_cases, threads=1)
    assert outcome.right and all("drawn" in result.report.ties for result in outcome.results)


def test_answers_that_hold_nothing_known_are_refused(with_cases: Path) -> None:
    file = with_cases / "golden" / "images-image.expected.npz"
    np.savez(file, something=np.zeros(3))
    with pytest.raises(CaseError, match=r"images-image\.expected\.npz: holds none of the arrays"):
        verify(with_cases, threads=1)


def test_a_case_without_its_answers_is_refused(with_cases: Path) -> None:
    (with_cases / "golden" / "images-text.expected.npz").unlink()
    with pytest.raises(CaseError, match=r"images-text\.npz: has no answers beside it"):
        verify(with_cases, threads=1)
    (with_cases / "golden" / "images-text.npz").unlink()
    (with_cases / "golden" / "images-pins.npz").unlink()
    with pytest.raises(CaseError, match=r"images-pins\.npz: no such file"):
        verify(with_cases, threads=1)


def test_damaged_answers_are_refused(with_cases: Path) -> None:
    file = with_cases / "golden" / "images-text.expected.npz"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CaseError, match=r"images-text\.expected\.npz: not a readable"):
        verify(with_cases, threads=1)


@pytest.mark.parametrize(
    ("layers", "period"),
    [
        ("F", 1),
        ("FF", 1),
        ("SSF", 3),
        ("SFSF", 2),
        ("SSSSSFSSSSSF", 6),
        ("FSSFSF", 5),
        ("SSFSF", 5),
        ("SSFSSFS" + "F", 8),
    ],
)
def test_the_first_period(layers: str, period: int) -> None:
    assert first_period(config(Tiny(layers=layers))) == period


def test_the_released_pattern_repeats_after_six() -> None:
    released = read_config(Section.of_file(Path(__file__).parents[1] / "data" / "config-26b.json"))
    assert first_period(released) == 6
    kept = first_layers(released, 6)
    assert [layer.kind for layer in kept.text.layers] == [LayerKind.SLIDING] * 5 + [LayerKind.FULL]
    assert kept.text.rope == released.text.rope and kept.vision == released.vision


def test_first_layers_keep_only_what_they_need() -> None:
    sliding = first_layers(config(Tiny(layers="SSF")), 2)
    assert len(sliding.text.layers) == 2 and set(sliding.text.rope) == {LayerKind.SLIDING}


@pytest.mark.parametrize("name", TINIES)
def test_a_model_without_cases(name: str, checkpoint: Folders) -> None:
    """On the very device that is the judge there is no difference at all."""
    outcome = verify(checkpoint(name), threads=1)
    assert outcome.right and outcome.source is Reference.SELF
    assert outcome.layers == first_period(config(TINIES[name]))
    assert [result.name for result in outcome.results] == ["text", "image"][: 1 + (TINIES[name].vision is not None)]
    assert all(value == 0 for result in outcome.results for value in result.report.worst.values())
    assert all(len(result.report.worst) == 3 + 2 * outcome.layers for result in outcome.results)


def test_a_model_without_cases_on_a_device_that_is_wrong(
    checkpoint: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the judge's numbers: the encoder's scalars are those of the decoder, as a careless backend would have it."""
    opened = module.open_model
    other = Path(shutil.copytree(checkpoint("plain"), tmp_path / "other"))
    stored = {name: value.astype(STORED[TINIES["plain"].dtype]) for name, value in weights(TINIES["plain"]).items()}
    for name in stored:
        if name.endswith("layer_scalar") and ".encoder." in name:
            stored[name] = stored[name.replace(".encoder.language_model.", ".decoder.")]
    write_shards(other, stored)

    def careless(folder: Path, *arguments: object, **options: object) -> object:
        calls.append(folder)
        return opened(folder if len(calls) == 1 else other, *arguments, **options)  # type: ignore[arg-type]

    calls: list[Path] = []
    monkeypatch.setattr(module, "open_model", careless)
    outcome = verify(checkpoint("plain"), threads=1)
    assert len(calls) == 2 and not outcome.right
    # The first that the scalar of layer 0 reaches: in layer 1 a norm takes it out again, but not of the residual.
    assert outcome.results[0].report.wrong[0].tensor == "key_2"


def test_the_judge_is_float32_whatever_the_model_is(
    checkpoint: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dgemma_ros.graphs.export import export

    out = export(checkpoint("plain"), tmp_path / "half", "float16")
    asked: list[Excerpt] = []

    def remember(*arguments: object, excerpt: Excerpt, **options: object) -> object:
        asked.append(excerpt)
        return open_model(*arguments, excerpt=replace(excerpt, dtype="float32"), **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "open_model", remember)
    assert verify(out, threads=1).dtype == "float16"
    assert asked == [Excerpt(3, "float32"), Excerpt(3, "float16", engines=True)]


def test_made_cases_look_at_everything() -> None:
    text, image = made_cases(config(TINIES["images"]))
    assert "patches" not in text and image["token_types"].sum() == 6
    assert len(text["chunks"]) == 3 and len(text["canvas"]) == 2
    again = next(made_cases(config(TINIES["images"])))
    assert all(np.array_equal(text[name], again[name]) for name in text.arrays)


def test_no_cases_are_no_error(tmp_path: Path) -> None:
    assert list(golden_cases(tmp_path)) == []
    with pytest.raises(DgemmaError, match="no such folder"):
        verify(tmp_path / "absent")
