"""The canonical view: complete, right in shape and type, converted without change of value."""

from __future__ import annotations

import time
from math import prod
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from dgemma_ros.checkpoint.config import load_config, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.checkpoint.weights import EMBEDDING, Weights, expected_shapes
from dgemma_ros.errors import CheckpointError
from dgemma_ros.graphs.manifest import describe, load, verify, write
from tests.checkpoint_files import write_safetensors
from tests.sparse import make_released
from tests.tiny import STORED, TINIES, make, weights

RELEASED = Path(__file__).parent.parent / "data" / "config-26b.json"
NORM = "model.decoder.norm.weight"


def test_parameters_and_bytes_of_the_released_model() -> None:
    """25.2 B of text, 3.8 B active, 19.2 GB read a step with NVFP4 experts: what the model card and MODEL.md say."""
    config = read_config(Section.of_file(RELEASED))
    sizes = {name: prod(shape) for name, shape in expected_shapes(config).items()}
    vision = sum(size for name, size in sizes.items() if "vision" in name)
    experts = sum(size for name, size in sizes.items() if ".experts." in name)
    text = sum(sizes.values()) - vision
    assert round(text / 1e9, 2) == 25.25 and round(vision / 1e9, 2) == 0.57
    active = text - experts + experts * config.text.top_k // config.text.experts
    assert round(active / 1e9, 2) == 3.84
    step = experts * (0.5 + 1 / 16) + 2 * (text - experts - sizes[EMBEDDING]) + 2 * 2 * sizes[EMBEDDING]
    assert round(step / 1e9, 2) == 19.15
    assert sizes["model.decoder.layers.0.experts.gate_up_proj"] == 128 * 1408 * 2816
    assert "model.decoder.layers.5.self_attn.v_proj.weight" not in sizes


@pytest.mark.parametrize("name", TINIES)
def test_every_tiny_checkpoint_is_complete(name: str, tmp_path: Path) -> None:
    folder = make(tmp_path, TINIES[name])
    view = Weights.open(folder, load_config(folder))
    assert set(view.shapes) == set(view.tensors.names())
    for key, value in weights(TINIES[name]).items():
        assert (view.array(key) == value).all()


@pytest.mark.parametrize("dtype", STORED)
def test_stored_types(dtype: str, tmp_path: Path) -> None:
    tiny = TINIES["plain"].with_(dtype=dtype)
    folder = make(tmp_path, tiny)
    view = Weights.open(folder, load_config(folder))
    for name, value in weights(tiny).items():
        stored = value.astype(STORED[dtype])
        as_stored, as_float = view.array(name, None), view.array(name)
        assert as_stored.dtype == STORED[dtype] and as_stored.tobytes() == stored.tobytes()
        assert not as_stored.flags.writeable
        assert as_float.dtype == np.float32 and (as_float == stored.astype(np.float32)).all()
        assert view.array(name, np.float16).dtype == np.float16
        assert view.entry(name).shape == value.shape


def test_no_copy_where_nothing_is_converted(tmp_path: Path) -> None:
    folder = make(tmp_path, TINIES["plain"])
    view = Weights.open(folder, load_config(folder))
    assert np.shares_memory(view.array(NORM), view.array(NORM, None))


def test_bfloat16_keeps_nan_infinity_and_signed_zero(tmp_path: Path) -> None:
    folder = make(tmp_path, TINIES["plain"].with_(dtype="bfloat16"))
    view = Weights.open(folder, load_config(folder))
    stored = {name: np.array(view.array(name, None)) for name in view.shapes}
    stored[NORM][:5] = [np.nan, np.inf, -np.inf, -0.0, 1e-40]
    del view
    write_safetensors(folder / "model.safetensors", stored)
    value = Weights.open(folder, load_config(folder)).array(NORM)
    assert np.isnan(value[0]) and value[1] == np.inf and value[2] == -np.inf and np.signbit(value[3])
    assert 0 < value[4] < 2e-40


def rewritten(tmp_path: Path, change: dict[str, Any]) -> Path:
    folder = make(tmp_path, TINIES["images"])
    stored = weights(TINIES["images"]) | {name: value for name, value in change.items() if value is not None}
    for name, value in change.items():
        if value is None:
            del stored[name]
    write_safetensors(folder / "model.safetensors", stored)
    return folder


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        (NORM, None, r"model.decoder.norm.weight \[48\] is missing"),
        ("model.encoder.language_model.layers.2.layer_scalar", None, "is missing"),
        ("model.encoder.vision_tower.std_bias", None, "is missing"),
        ("model.decoder.layers.0.experts.down_proj", None, "is missing"),
        (EMBEDDING, np.zeros((127, 48), np.float32), r"shape \[127, 48\], but config.json asks for \[128, 48\]"),
        (EMBEDDING, np.zeros((48, 128), np.float32), "shape"),
        ("model.decoder.layers.3.layer_scalar", np.zeros((), np.float32), "shape"),
        (NORM, np.zeros(48, np.int32), "I32, which is not supported"),
        (NORM, np.zeros(48, np.float64), "F64, which is not supported"),
        (NORM, np.zeros(48, ml_dtypes.float8_e4m3fn), "F8_E4M3, which is not supported"),
    ],
)
def test_refusals(name: str, value: np.ndarray | None, why: str, tmp_path: Path) -> None:
    folder = rewritten(tmp_path, {name: value})
    with pytest.raises(CheckpointError, match=why) as caught:
        Weights.open(folder, load_config(folder))
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_what_nobody_asked_for_is_left_alone(tmp_path: Path) -> None:
    folder = rewritten(tmp_path, {"lm_head.weight": np.zeros((128, 48), np.float32)})
    assert "lm_head.weight" not in Weights.open(folder, load_config(folder)).shapes


@pytest.mark.parametrize("nvfp4", [False, True])
def test_the_released_checkpoint_opens_in_no_time_and_no_memory(nvfp4: bool, tmp_path: Path) -> None:
    folder = make_released(tmp_path, nvfp4=nvfp4)
    stored = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    assert round(stored / 1e9) == (19 if nvfp4 else 52)
    start = time.perf_counter()
    view = Weights.open(folder, load_config(folder))
    assert view.is_packed("model.decoder.layers.29.experts.gate_up_proj") is nvfp4
    table = view.array(EMBEDDING, None)
    assert table.shape == (262_144, 2816) and not table[-1].any()
    assert time.perf_counter() - start < 10


def test_the_manifest_of_52_gigabytes_reads_only_pages_of_them(tmp_path: Path) -> None:
    folder = make_released(tmp_path / "checkpoint")
    view = Weights.open(folder, load_config(folder))
    start = time.perf_counter()
    manifest = describe(folder, {name: view.entry(name) for name in view.shapes}, {})
    write(tmp_path, manifest)
    verify(load(tmp_path))
    assert time.perf_counter() - start < 20
