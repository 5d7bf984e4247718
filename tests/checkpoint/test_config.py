"""config.json: both forms, every refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.checkpoint.config import (
    LayerKind,
    ModelConfig,
    RopeConfig,
    load_config,
    read_config,
)
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.errors import CheckpointError
from tests.tiny import TINIES, Tiny, config_json

RELEASED = Path(__file__).parent.parent / "data" / "config-26b.json"
FILE = Path("config.json")
DELETE = object()


def read(values: dict[str, Any]) -> ModelConfig:
    return read_config(Section(FILE, values))


def changed(path: str, value: object, base: dict[str, Any] | None = None) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(json.dumps(base or config_json(TINIES["images"])))
    *parents, last = path.split(".")
    place = values
    for parent in parents:
        place = place[parent]
    if value is DELETE:
        del place[last]
    else:
        place[last] = value
    return values


def test_released_26b() -> None:
    config = read(json.loads(RELEASED.read_text()))
    text = config.text
    assert (text.vocab_size, text.hidden_size, text.intermediate_size, text.heads) == (262_144, 2816, 2112, 16)
    assert (text.experts, text.top_k, text.expert_intermediate_size) == (128, 8, 704)
    assert [layer.index for layer in text.layers if layer.kind is LayerKind.FULL] == [5, 11, 17, 23, 29]
    assert {(layer.kind, layer.head_dim, layer.kv_heads, layer.has_v_proj) for layer in text.layers} == {
        (LayerKind.SLIDING, 256, 8, True),
        (LayerKind.FULL, 512, 2, False),
    }
    assert text.rope == {
        LayerKind.SLIDING: RopeConfig(10_000.0, 256, 1.0, False),
        LayerKind.FULL: RopeConfig(1_000_000.0, 512, 0.25, True),
    }
    assert text.softcap == 30.0 and text.sliding_window == 1024 and text.max_positions == 262_144
    assert text.bidirectional_images
    assert (config.canvas_length, config.begin_image_id, config.image_id, config.end_image_id) == (
        256,
        255_999,
        258_880,
        258_882,
    )
    vision = config.vision
    assert vision is not None
    assert (vision.layers, vision.hidden_size, vision.head_dim, vision.patch_dim) == (27, 1152, 72, 768)
    assert vision.standardize and vision.position_table == 10_240 and vision.pooling == 3


@pytest.mark.parametrize("name", TINIES)
def test_both_forms_say_the_same(name: str) -> None:
    forms = [read(config_json(TINIES[name].with_(form=form))) for form in ("released", "saved")]
    assert forms[0] == forms[1]


def test_frequencies_turn_only_the_fast_part_of_a_full_head() -> None:
    rope = read(json.loads(RELEASED.read_text())).text.rope
    full, sliding = rope[LayerKind.FULL].inverse_frequencies(), rope[LayerKind.SLIDING].inverse_frequencies()
    assert full.shape == (256,) and sliding.shape == (128,) and full.dtype == sliding.dtype == np.float32
    assert (full[:64] > 0).all() and not full[64:].any()
    np.testing.assert_allclose(full[:64], 1e6 ** (-2 * np.arange(64) / 512), rtol=3e-7)
    np.testing.assert_allclose(sliding, 1e4 ** (-2 * np.arange(128) / 256), rtol=3e-7)
    # One of those whose last bit is torch's and not the correctly rounded one.
    wrong = sliding != (1.0 / (1e4 ** (2 * np.arange(128) / 256).astype(np.float32).astype(np.float64))).astype(
        np.float32
    )
    assert wrong.any()


def test_without_a_tower() -> None:
    values = changed("vision_config", None)
    assert read(values).vision is None
    assert read(changed("vision_config", DELETE)) == read(values)
    # Then nobody looks the image ids up, and the defaults may lie beyond a small vocabulary.
    for key in ("boi_token_id", "image_token_id", "eoi_token_id"):
        del values[key]
    assert read(values).image_id == 258_880


def test_defaults_where_a_key_is_absent() -> None:
    values = config_json(Tiny(layers="SSSSSFSSSSSF"))
    for key in ("layer_types", "rope_parameters", "rms_norm_eps", "attention_bias", "hidden_activation", "model_type"):
        del values["text_config"][key]
    del values["text_config"]["final_logit_softcapping"]  # 5.23 does not save it
    del values["canvas_length"]
    config = read(values)
    assert config.text == read(config_json(Tiny(layers="SSSSSFSSSSSF"))).text
    assert config.canvas_length == 256


REFUSED = [
    ("model_type", "gemma4", "only DiffusionGemma"),
    ("model_type", DELETE, "only DiffusionGemma"),
    ("tie_word_embeddings", False, "share the embedding"),
    ("text_config", DELETE, "missing"),
    ("text_config", [], "not a JSON object"),
    ("text_config", None, "not a JSON object"),
    ("text_config.model_type", "gemma4_text", "diffusion_gemma_text"),
    ("text_config.tie_word_embeddings", False, "share the embedding"),
    ("text_config.num_experts", DELETE, "missing"),
    ("text_config.vocab_size", "128", "not a whole number"),
    ("text_config.vocab_size", 128.0, "not a whole number"),
    ("text_config.vocab_size", True, "not a whole number"),
    ("text_config.vocab_size", 0, "outside"),
    ("text_config.hidden_size", 10**30, "outside"),
    ("text_config.hidden_size", None, "not a whole number"),
    ("text_config.num_hidden_layers", 3, "4 entries for 3 layers"),
    ("text_config.num_hidden_layers", 10**9, "outside"),
    ("text_config.layer_types", "full_attention", "not an array"),
    ("text_config.layer_types", ["chunked_attention"] * 3 + ["full_attention"], "neither"),
    ("text_config.layer_types", [[], {}, None, "full_attention"], "neither"),
    ("text_config.num_key_value_heads", 3, "cannot share"),
    ("text_config.num_global_key_value_heads", 3, "cannot share"),
    ("text_config.head_dim", 15, "odd"),
    ("text_config.global_head_dim", 33, "odd"),
    ("text_config.attention_bias", True, "bias"),
    ("text_config.attention_bias", 0, "bias"),
    ("text_config.hidden_activation", "silu", "activation"),
    ("text_config.use_bidirectional_attention", "all", "not supported"),
    ("text_config.use_bidirectional_attention", 1, "not supported"),
    ("text_config.final_logit_softcapping", None, "not a number"),
    ("text_config.final_logit_softcapping", 0, "outside"),
    ("text_config.rms_norm_eps", "1e-6", "not a number"),
    ("text_config.rms_norm_eps", -1e-6, "outside"),
    ("text_config.sliding_window", 1, "outside"),
    ("text_config.num_experts", DELETE, "missing"),
    ("text_config.num_experts", None, "not a whole number"),
    ("text_config.top_k_experts", 5, "outside"),
    ("text_config.rope_parameters", 3, "not a JSON object"),
    ("text_config.rope_parameters.full_attention", DELETE, "missing"),
    ("text_config.rope_parameters.full_attention.rope_type", "yarn", "not supported"),
    ("text_config.rope_parameters.full_attention.rope_theta", 0, "outside"),
    ("text_config.rope_parameters.full_attention.partial_rotary_factor", 1.5, "outside"),
    ("text_config.rope_parameters.full_attention.factor", 8.0, "scaled"),
    ("text_config.rope_parameters.sliding_attention.partial_rotary_factor", 0.5, "proportional"),
    ("canvas_length", 0, "outside"),
    ("canvas_length", None, "not a whole number"),
    ("image_token_id", 128, "outside"),
    ("image_token_id", 125, "differ"),
    ("boi_token_id", -1, "outside"),
    ("vision_config", "gemma4_vision", "not a JSON object"),
    ("vision_config.model_type", "siglip_vision_model", "gemma4_vision"),
    ("vision_config.use_clipped_linears", True, "clipped"),
    ("vision_config.hidden_activation", "relu", "activation"),
    ("vision_config.rope_parameters.rope_type", "yarn", "not supported"),
    ("vision_config.num_key_value_heads", 5, "cannot share"),
    ("vision_config.head_dim", 14, "divisible by 4"),
    ("vision_config.pooling_kernel_size", 1, "outside"),
    ("vision_config.standardize", 1, "not true or false"),
]


@pytest.mark.parametrize(("path", "value", "why"), REFUSED)
def test_refusals_name_file_and_field(path: str, value: object, why: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        read(changed(path, value))
    message = str(caught.value)
    assert message.startswith("config.json: ") and why in message and "\n" not in message
    field = path.rsplit(".", 1)[-1]
    assert field.removeprefix("global_").removeprefix("num_global_") in message or "image_token_id" in message


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"9": {"head_dim": 32}}, "not the index"),
        ({"-1": {"head_dim": 32}}, "not the index"),
        ({"one": {"head_dim": 32}}, "not the index"),
        ({"1": 32}, "not a JSON object"),
        ({"1": {"intermediate_size": 7}}, "cannot differ"),
        ({"1": {"head_dim": 32}, "3": {"head_dim": 64}}, "different heads"),
        ({"0": {"head_dim": 32}}, "different heads"),
        ({"1": {"head_dim": "32"}}, "not a whole number"),
    ],
)
def test_refused_layer_overrides(table: dict[str, Any], why: str) -> None:
    values = changed("text_config.per_layer_config", table, config_json(TINIES["images"].with_(form="saved")))
    with pytest.raises(CheckpointError, match=why):
        read(values)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "JSON object"),
        (b'{"text_config": NaN}', "NaN is not a number"),
        (b'{"rms": -Infinity}', "not a number"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_broken_files(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=why) as caught:
        load_config(tmp_path)
    assert str(tmp_path / "config.json") in str(caught.value) and "\n" not in str(caught.value)


def test_missing_file_and_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file; is this a checkpoint folder"):
        load_config(tmp_path)
    (tmp_path / "config.json").mkdir()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_config(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PATHS = sorted(
    {path for path, _, _ in REFUSED} | {"vision_config.patch_size", "text_config.intermediate_size", "text_config"}
)


@given(path=st.sampled_from(PATHS), value=JSON)
def test_whatever_stands_in_a_field_is_read_or_refused(path: str, value: object) -> None:
    try:
        read(changed(path, value))
    except CheckpointError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
