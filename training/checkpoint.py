"""Writes everything of the nano folder but the weights, and makes the model: one place for its sizes.

The keys are those of the released checkpoint. The image budget of 40 soft tokens gives 224 x 160 pixels and 35 soft
tokens for a 4:3 picture.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from training.checkpoint_sizes import BUDGET, CANVAS, PATCH, POOLING, POSITIONS

LAYERS = ("sliding_attention", "full_attention", "sliding_attention", "full_attention", "full_attention")


def config(tokenizer: Tokenizer) -> dict[str, Any]:
    """config.json, with the special tokens' ids as this tokenizer has them."""

    def token(name: str) -> int:
        found = tokenizer.token_to_id(name)
        assert found is not None, name
        return int(found)

    return {
        "architectures": ["DiffusionGemmaForBlockDiffusion"],
        "model_type": "diffusion_gemma",
        "dtype": "bfloat16",
        "canvas_length": CANVAS,
        "tie_word_embeddings": True,
        "boi_token_id": token("<|image>"),
        "image_token_id": token("<|image|>"),
        "eoi_token_id": token("<image|>"),
        "eos_token_id": [token("<eos>"), token("<turn|>")],
        "text_config": {
            "model_type": "diffusion_gemma_text",
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": 192,
            "intermediate_size": 320,
            "num_hidden_layers": len(LAYERS),
            "layer_types": list(LAYERS),
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 32,
            "global_head_dim": 64,
            "num_global_key_value_heads": 1,
            "num_experts": 4,
            "top_k_experts": 2,
            "moe_intermediate_size": 64,
            "sliding_window": 128,
            "max_position_embeddings": POSITIONS,
            "use_bidirectional_attention": "vision",
            "final_logit_softcapping": 30.0,
            "hidden_activation": "gelu_pytorch_tanh",
            "rms_norm_eps": 1e-6,
            "tie_word_embeddings": True,
            "pad_token_id": token("<pad>"),
            "eos_token_id": token("<eos>"),
            "bos_token_id": token("<bos>"),
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                "full_attention": {"rope_type": "proportional", "rope_theta": 1000000.0, "partial_rotary_factor": 0.25},
            },
        },
        "vision_config": {
            "model_type": "gemma4_vision",
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "head_dim": 32,
            "patch_size": PATCH,
            "pooling_kernel_size": POOLING,
            "position_embedding_size": 64,
            "rms_norm_eps": 1e-6,
            "standardize": False,
            "use_clipped_linears": False,
            "rope_parameters": {"rope_type": "axial", "rope_theta": 100.0},
        },
    }


def generation_config(tokenizer: Tokenizer) -> dict[str, Any]:
    ids = [tokenizer.token_to_id(name) for name in ("<eos>", "<turn|>", "<|tool_response>")]
    return {
        "eos_token_id": ids,
        "pad_token_id": tokenizer.token_to_id("<pad>"),
        "bos_token_id": tokenizer.token_to_id("<bos>"),
        "max_new_tokens": CANVAS,
        "max_denoising_steps": 16,
        "t_min": 0.4,
        "t_max": 0.8,
        "sampler_config": {"_cls_name": "EntropyBoundSamplerConfig", "entropy_bound": 0.1},
        "stability_threshold": 1,
        "confidence_threshold": 0.005,
    }


PROCESSOR = {
    "processor_class": "Gemma4Processor",
    "image_processor_type": "Gemma4ImageProcessor",
    "do_convert_rgb": True,
    "do_resize": True,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": False,
    "image_mean": [0.0, 0.0, 0.0],
    "image_std": [1.0, 1.0, 1.0],
    "patch_size": PATCH,
    "pooling_kernel_size": POOLING,
    "max_soft_tokens": BUDGET,
    "image_seq_length": BUDGET,
}


def write(folder: Path, tokenizer: Tokenizer) -> None:
    """All JSON files of the folder; the template and the skills are kept there by hand."""
    from training import tokenizer as words

    folder.mkdir(parents=True, exist_ok=True)
    words.save(tokenizer, folder)
    for name, content in (
        ("config.json", config(tokenizer)),
        ("generation_config.json", generation_config(tokenizer)),
        ("preprocessor_config.json", PROCESSOR),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")


def store(weights: dict[str, torch.Tensor], made_of: dict[str, Any], folder: Path) -> None:
    """The weights as bfloat16 safetensors under the released checkpoint's names."""
    from training.model import DECODER, DECODER_SCALAR, ENCODER, ENCODER_SCALAR

    scalars = {}
    for number in range(len(made_of["text_config"]["layer_types"])):
        scalars[f"{DECODER}layers.{number}.layer_scalar"] = torch.tensor([DECODER_SCALAR])
        scalars[f"{ENCODER}language_model.layers.{number}.layer_scalar"] = torch.tensor([ENCODER_SCALAR])
    kept = {k: v.detach().to("cpu", torch.bfloat16).contiguous().clone() for k, v in {**weights, **scalars}.items()}
    save_file(kept, folder / "model.new", metadata={"format": "pt"})
    (folder / "model.new").replace(folder / "model.safetensors")
