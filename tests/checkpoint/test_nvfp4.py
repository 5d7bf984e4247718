"""NVFP4 experts: decoded exactly, stacked in the right order, complete or refused."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import load_config
from dgemma_ros.checkpoint.nvfp4 import BLOCK, E2M1, dequantise
from dgemma_ros.checkpoint.weights import Weights
from dgemma_ros.errors import CheckpointError
from tests.checkpoint_files import packed, quantised, write_safetensors
from tests.tiny import TINIES, config_json, make, weights

TINY = TINIES["images"].with_(nvfp4=True)
GATE_UP = "model.decoder.layers.1.experts.gate_up_proj"
DOWN = "model.decoder.layers.1.experts.down_proj"


def test_the_sixteen_values_are_ml_dtypes_own() -> None:
    if not hasattr(ml_dtypes, "float4_e2m1fn"):
        pytest.skip("this ml_dtypes has no 4-bit floats")
    nibbles = np.arange(16, dtype=np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float32)
    assert (nibbles == E2M1).all() and (np.signbit(nibbles) == np.signbit(E2M1)).all()


def test_low_nibble_is_the_even_column() -> None:
    weight = np.array([[0x21, 0x43, 0x65, 0x87, 0xA9, 0xCB, 0xED, 0x0F]], np.uint8)
    scale = np.ones((1, 1), ml_dtypes.float8_e4m3fn)
    row = dequantise(weight, scale, np.ones((1, 1), np.float32))
    assert row.tolist() == [[0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6, 0]]


@given(seed=st.integers(0, 2**32), rows=st.integers(1, 3), blocks=st.integers(1, 3), exponent=st.integers(-20, 3))
def test_exact_but_for_one_rounding(seed: int, rows: int, blocks: int, exponent: int) -> None:
    random = np.random.default_rng(seed)
    weight = random.integers(0, 256, (rows, blocks * BLOCK // 2), dtype=np.uint8)
    codes = random.integers(0, 127, (rows, blocks), dtype=np.uint8)  # every positive number, subnormals too
    scale = codes.view(ml_dtypes.float8_e4m3fn)
    tensor_scale = np.float32(random.random() * 2.0**exponent)
    result = dequantise(weight, scale, tensor_scale.reshape(1, 1))
    nibbles = np.stack([weight & 15, weight >> 4], -1).reshape(rows, -1)
    for (i, j), nibble in np.ndenumerate(nibbles):
        exact = Fraction(float(E2M1[nibble])) * Fraction(float(scale[i, j // BLOCK])) * Fraction(float(tensor_scale))
        assert result[i, j] == np.float32(float(exact))


def test_stacks_as_the_fused_checkpoint_has_them(tmp_path: Path) -> None:
    folder = make(tmp_path, TINY)
    view, original = Weights.open(folder, load_config(folder)), weights(TINY)
    for name in (GATE_UP, DOWN):
        assert view.is_packed(name) and name not in view.tensors
        stack, array = view.packed(name), view.array(name)
        assert stack.weight.dtype == np.uint8 and stack.global_scale.shape[1] == (2 if name == GATE_UP else 1)
        assert array.dtype == np.float32 and array.shape == original[name].shape
        assert (array == stack.dequantised()).all()
        # Nearest of the values of its block: at most half a step, and a step is a third of the block's peak.
        blocks = original[name].reshape(-1, BLOCK)
        error = np.abs(array - original[name]).reshape(-1, BLOCK)
        assert (error <= 0.2 * np.abs(blocks).max(-1, keepdims=True)).all()


def test_each_matrix_has_its_own_scales(tmp_path: Path) -> None:
    """Gate, up and every expert decode by their own tensors and land in their own rows."""
    folder = make(tmp_path, TINY)
    view = Weights.open(folder, load_config(folder))
    whole = view.array(GATE_UP)
    half = whole.shape[1] // 2
    for expert in range(whole.shape[0]):
        for part, rows in (("gate_proj", slice(None, half)), ("up_proj", slice(half, None))):
            prefix = f"model.decoder.layers.1.experts.{expert}.{part}"
            single = dequantise(
                view.tensors.array(f"{prefix}.weight"),
                view.tensors.array(f"{prefix}.weight_scale"),
                view.tensors.array(f"{prefix}.weight_scale_2").reshape(1, 1),
            )
            assert (single == whole[expert, rows]).all()


def test_what_is_representable_comes_back() -> None:
    matrix = E2M1[np.random.default_rng(0).integers(0, 16, (8, 32))] * np.float32(448 / 4096)
    matrix[:, ::BLOCK] = 6 * 448 / 4096  # every block reaches the top: its scale is 448, the tensor's 2⁻¹²
    part = quantised(matrix)
    assert (dequantise(part["weight"], part["weight_scale"], part["weight_scale_2"].reshape(1, 1)) == matrix).all()


EXPERT = "model.decoder.layers.1.experts.2.up_proj"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        (f"{EXPERT}.weight", None, "no tensor"),
        (f"{EXPERT}.weight_scale", None, "no tensor"),
        (f"{EXPERT}.weight_scale_2", None, "no tensor"),
        (f"{EXPERT}.weight", np.zeros((32, 48), np.uint8), r"U8 \[32, 48\], but .* need U8 \[32, 24\]"),
        (f"{EXPERT}.weight", np.zeros((32, 24), np.int8), "need U8"),
        (f"{EXPERT}.weight_scale", np.zeros((32, 3), np.float32), "need F8_E4M3"),
        (f"{EXPERT}.weight_scale_2", np.zeros(2, np.float32), r"need F32 \[\]"),
    ],
)
def test_incomplete_experts_are_refused(name: str, value: np.ndarray | None, why: str, tmp_path: Path) -> None:
    folder = make(tmp_path, TINY)
    stored = {key: array for fused, tensor in weights(TINY).items() for key, array in stored_as(fused, tensor).items()}
    if value is None:
        del stored[name]
    else:
        stored[name] = value
    write_safetensors(folder / "model.safetensors", stored)
    with pytest.raises(CheckpointError, match=why) as caught:
        Weights.open(folder, load_config(folder))
    assert name in str(caught.value) and "\n" not in str(caught.value)


def stored_as(name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    return packed(name, value) if ".experts." in name else {name: value}


def test_rows_must_divide_into_blocks(tmp_path: Path) -> None:
    tiny = TINIES["many_experts"].with_(nvfp4=True)
    folder = make(tmp_path, tiny)
    config = config_json(tiny.with_(expert_inner=24))
    assert config["text_config"]["moe_intermediate_size"] == 24
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="NVFP4"):
        Weights.open(folder, load_config(folder))
