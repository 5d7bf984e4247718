"""Our reading of config.json against the reference's, and the rotary frequencies bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion
from transformers.models.diffusion_gemma.generation_diffusion_gemma import DiffusionGemmaGenerationConfig
from transformers.models.diffusion_gemma.modeling_diffusion_gemma import DiffusionGemmaTextRotaryEmbedding
from transformers.models.gemma4.modeling_gemma4 import Gemma4VisionRotaryEmbedding

from dgemma_ros.checkpoint.config import LayerKind, RopeConfig, load_config, load_generation_config
from dgemma_ros.checkpoint.weights import Weights, expected_shapes
from tests.oracle import reference
from tests.tiny import TINIES, make

RELEASED = Path(__file__).parent.parent / "data" / "config-26b.json"
KINDS = {"sliding_attention": LayerKind.SLIDING, "full_attention": LayerKind.FULL}


def folder_of(config: Path, tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(config.read_text())
    return tmp_path


def assert_equal(folder: Path) -> None:
    ours, theirs = load_config(folder), DiffusionGemmaConfig.from_pretrained(folder)
    text, their = ours.text, theirs.text_config
    assert (text.vocab_size, text.hidden_size, text.intermediate_size) == (
        their.vocab_size,
        their.hidden_size,
        their.intermediate_size,
    )
    assert [layer.kind for layer in text.layers] == [KINDS[name] for name in their.layer_types]
    for layer in text.layers:
        resolved = their.per_layer_config[layer.index]
        assert (layer.head_dim, layer.kv_heads) == (resolved.head_dim, resolved.num_key_value_heads)
    assert (text.experts, text.top_k, text.expert_intermediate_size) == (
        their.num_experts,
        their.top_k_experts,
        their.moe_intermediate_size,
    )
    assert (text.heads, text.sliding_window, text.max_positions) == (
        their.num_attention_heads,
        their.sliding_window,
        their.max_position_embeddings,
    )
    assert (text.softcap, text.rms_norm_eps) == (their.final_logit_softcapping, their.rms_norm_eps)
    assert text.bidirectional_images == (their.use_bidirectional_attention == "vision")
    assert (ours.canvas_length, ours.begin_image_id, ours.image_id, ours.end_image_id) == (
        theirs.canvas_length,
        theirs.boi_token_id,
        theirs.image_token_id,
        theirs.eoi_token_id,
    )
    rotary = DiffusionGemmaTextRotaryEmbedding(their)
    for name in set(their.layer_types):
        expected = getattr(rotary, f"{name}_inv_freq").numpy()
        assert_frequencies(text.rope[KINDS[name]].inverse_frequencies(), expected)
    if ours.vision is not None:
        expected = Gemma4VisionRotaryEmbedding(theirs.vision_config).inv_freq.numpy()
        assert_frequencies(ours.vision.inverse_frequencies(), expected)
        assert ours.vision.standardize == theirs.vision_config.standardize
        assert ours.vision.rope_theta == theirs.vision_config.rope_parameters["rope_theta"]


def assert_frequencies(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal in whole vectors; what is left over is the C library's, and where that starts depends on the CPU."""
    whole = len(theirs) // 32 * 32
    assert ours.dtype == theirs.dtype == np.float32 and ours.shape == theirs.shape
    if "AVX" in torch.backends.cpu.get_cpu_capability():
        assert (ours[:whole] == theirs[:whole]).all()
    np.testing.assert_array_max_ulp(ours, theirs, maxulp=1)


@pytest.mark.parametrize("name", TINIES)
def test_tiny(name: str, tmp_path: Path) -> None:
    assert_equal(make(tmp_path, TINIES[name]))


def test_released(tmp_path: Path) -> None:
    assert_equal(folder_of(RELEASED, tmp_path))


def test_released_as_transformers_saves_it(tmp_path: Path) -> None:
    DiffusionGemmaConfig.from_pretrained(folder_of(RELEASED, tmp_path)).save_pretrained(tmp_path / "saved")
    assert "per_layer_config" in (tmp_path / "saved" / "config.json").read_text()
    assert_equal(tmp_path / "saved")
    assert load_config(tmp_path / "saved") == load_config(tmp_path)


@pytest.mark.parametrize("theta", [10_000.0, 1_000_000.0, 123.4, 8e6])
@pytest.mark.parametrize("head_dim", [64, 128, 256, 512, 1024])
def test_float32_power(theta: float, head_dim: int) -> None:
    """Any theta: torch's float32 power rounds a few entries the other way (see checkpoint/rope.py)."""
    expected = 1.0 / (theta ** (torch.arange(0, head_dim, 2, dtype=torch.float) / head_dim))
    ours = RopeConfig(theta, head_dim, 1.0, False).inverse_frequencies()
    np.testing.assert_array_max_ulp(ours, expected.numpy(), maxulp=2)
    assert (ours != expected.numpy()).mean() < 0.05


def test_saved_checkpoint_reads_as_before(tmp_path: Path) -> None:
    folder = make(tmp_path / "made", TINIES["images"])
    reference.load(folder).save_pretrained(tmp_path / "saved")
    config = load_config(folder)
    assert load_config(tmp_path / "saved") == config
    made, saved = Weights.open(folder, config), Weights.open(tmp_path / "saved", config)
    assert set(saved.tensors.names()) == set(expected_shapes(config))
    for name in made.shapes:
        assert (made.array(name) == saved.array(name)).all()
    assert load_generation_config(tmp_path / "saved", config) == load_generation_config(folder, config)


def test_generation_defaults(tmp_path: Path) -> None:
    folder = make(tmp_path, TINIES["plain"])
    (folder / "generation_config.json").unlink()
    ours = load_generation_config(folder, load_config(folder))
    theirs = DiffusionGemmaGenerationConfig._get_default_generation_params()
    assert ours.max_steps == theirs["max_denoising_steps"] and ours.max_new_tokens == theirs["max_new_tokens"]
    assert (ours.t_min, ours.t_max) == (theirs["t_min"], theirs["t_max"])
    assert ours.entropy_bound == theirs["sampler_config"].entropy_bound
    assert (ours.stability, ours.confidence) == (theirs["stability_threshold"], theirs["confidence_threshold"])


def test_the_reference_has_exactly_our_tensors(tmp_path: Path) -> None:
    """The released architecture, without its weights."""
    folder = folder_of(RELEASED, tmp_path)
    config = DiffusionGemmaConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = DiffusionGemmaForBlockDiffusion(config)
    tied = set(model.all_tied_weights_keys)
    theirs = {name: tuple(value.shape) for name, value in model.state_dict().items() if name not in tied}
    assert theirs == expected_shapes(load_config(folder))


def test_released_file_is_json() -> None:
    assert json.loads(RELEASED.read_text())["model_type"] == "diffusion_gemma"
