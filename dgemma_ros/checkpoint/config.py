"""config.json and generation_config.json of a checkpoint, read and checked once.

Both published forms are read: ``global_head_dim`` / ``num_global_key_value_heads`` (the released files) and
``per_layer_config`` (what transformers 5.23 saves). Where a key is absent the reference's default holds; what the
reference would compute differently from our graphs is refused with the field's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from dgemma_ros.checkpoint.architecture import (
    LayerConfig,
    LayerKind,
    ModelConfig,
    RopeConfig,
    TextConfig,
    VisionConfig,
)
from dgemma_ros.checkpoint.fields import Section, shown
from dgemma_ros.checkpoint.generation import CONFIG_FILE, GenerationConfig, load_generation_config, media_ids

__all__ = [
    "GenerationConfig",
    "LayerConfig",
    "LayerKind",
    "ModelConfig",
    "RopeConfig",
    "TextConfig",
    "VisionConfig",
    "load_config",
    "load_generation_config",
    "media_ids",
    "read_config",
]

_KINDS: Final[Mapping[str, LayerKind]] = {"sliding_attention": LayerKind.SLIDING, "full_attention": LayerKind.FULL}
_DEFAULT_ROPE: Final[Mapping[str, Any]] = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
    "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1_000_000.0},
}
_MAX_SIZE: Final = 1 << 20  # no width of a model comes near; beyond it a product of two could wrap
_MAX_IDS: Final = 1 << 24


def load_config(folder: Path) -> ModelConfig:
    """The model of the checkpoint in ``folder``. Raises :class:`CheckpointError` naming file and field."""
    return read_config(Section.of_file(Path(folder) / CONFIG_FILE))


def read_config(root: Section) -> ModelConfig:
    """The model that the content of a config.json describes."""
    if (kind := root.raw("model_type", None)) != "diffusion_gemma":
        root.fail("model_type", f"{shown(kind)} is not diffusion_gemma; only DiffusionGemma checkpoints can be run")
    _expect(root, "tie_word_embeddings", True, "the head must share the embedding table")
    text = _read_text(root.section("text_config"))
    vision = _read_vision(root.section("vision_config")) if "vision_config" in root else None
    # Without a tower the ids are never looked up, and a text-only vocabulary may well end below the defaults.
    highest = text.vocab_size - 1 if vision is not None else _MAX_IDS
    ids = {
        key: root.integer(key, 0, highest, default)
        for key, default in (("boi_token_id", 255_999), ("image_token_id", 258_880), ("eoi_token_id", 258_882))
    }
    if vision is not None and len(set(ids.values())) < 3:
        root.fail("image_token_id", "boi_token_id, image_token_id and eoi_token_id must differ")
    return ModelConfig(
        text=text,
        vision=vision,
        canvas_length=root.integer("canvas_length", 1, min(text.max_positions, 1 << 16), 256),
        begin_image_id=ids["boi_token_id"],
        image_id=ids["image_token_id"],
        end_image_id=ids["eoi_token_id"],
    )


def _read_text(text: Section) -> TextConfig:
    if (kind := text.raw("model_type", "diffusion_gemma_text")) != "diffusion_gemma_text":
        text.fail("model_type", f"{shown(kind)} is not diffusion_gemma_text")
    _expect(text, "tie_word_embeddings", True, "the head must share the embedding table")
    _expect(text, "attention_bias", False, "attention projections with a bias are not supported")
    _expect(text, "hidden_activation", "gelu_pytorch_tanh", "no other activation is supported")
    bidirectional = text.raw("use_bidirectional_attention", None)
    if bidirectional not in (None, "vision"):
        text.fail("use_bidirectional_attention", f'{shown(bidirectional)} is not supported; only "vision" or null is')
    heads = text.integer("num_attention_heads", 1, 4096, 8)
    layers = _read_layers(text, heads)
    experts = text.integer("num_experts", 1, 65_536)
    return TextConfig(
        vocab_size=text.integer("vocab_size", 2, _MAX_IDS, 262_144),
        hidden_size=text.integer("hidden_size", 1, _MAX_SIZE, 2304),
        intermediate_size=text.integer("intermediate_size", 1, _MAX_SIZE, 9216),
        heads=heads,
        layers=layers,
        # A window of 1 keeps no rows at all, where the reference's cache slices [-0:] and keeps everything.
        sliding_window=text.integer("sliding_window", 2, 1 << 28, 512),
        rms_norm_eps=text.number("rms_norm_eps", 1e-12, 1.0, 1e-6),
        # transformers 5.23 does not save the cap when it is 30, so its absence means 30.
        softcap=text.number("final_logit_softcapping", 1e-3, 1e6, 30.0),
        experts=experts,
        top_k=text.integer("top_k_experts", 1, experts),
        expert_intermediate_size=text.integer("moe_intermediate_size", 1, _MAX_SIZE),
        max_positions=text.integer("max_position_embeddings", 1, 1 << 28, 131_072),
        rope=_read_ropes(text, layers),
        bidirectional_images=bidirectional == "vision",
    )


def _read_layers(text: Section, heads: int) -> tuple[LayerConfig, ...]:
    count = text.integer("num_hidden_layers", 1, 4096, 30)
    sliding, full = _KINDS
    default = [full if (i + 1) % 6 == 0 else sliding for i in range(count)]
    # As transformers does: null is absent, and the last layer is full whatever the file (or the default) says.
    names = list(text.items("layer_types")) if "layer_types" in text else default
    if len(names) != count:
        text.fail("layer_types", f"has {len(names)} entries for {count} layers (num_hidden_layers)")
    for index, name in enumerate(names):
        if not isinstance(name, str) or name not in _KINDS:
            text.fail(f"layer_types[{index}]", f"{shown(name)} is neither {sliding} nor {full}")
    names[-1] = full
    overrides = _read_overrides(text, names)
    head_dim = text.integer("head_dim", 2, 65_536, 256)
    kv_heads = text.integer("num_key_value_heads", 1, 4096, 4)
    layers: list[LayerConfig] = []
    for index, name in enumerate(names):
        here = overrides.get(index, Section(text.file, {}, text.name))
        layer = LayerConfig(
            index=index,
            kind=_KINDS[name],
            kv_heads=here.integer("num_key_value_heads", 1, 4096, kv_heads),
            head_dim=here.integer("head_dim", 2, 65_536, head_dim),
        )
        if heads % layer.kv_heads:
            here.fail(
                "num_key_value_heads", f"{heads} query heads cannot share {layer.kv_heads} KV heads (layer {index})"
            )
        if layer.head_dim % 2:
            here.fail("head_dim", f"{layer.head_dim} is odd, and rotary embedding needs pairs (layer {index})")
        same = next(other for other in [*layers, layer] if other.kind is layer.kind)
        if (same.head_dim, same.kv_heads) != (layer.head_dim, layer.kv_heads):
            here.fail("head_dim", f"{layer.kind} layers {same.index} and {index} have different heads")
        layers.append(layer)
    return tuple(layers)


def _read_overrides(text: Section, names: list[str]) -> dict[int, Section]:
    """What single layers have otherwise than the stack, from whichever of the two forms is there."""
    if "per_layer_config" not in text:
        values = {"head_dim": text.integer("global_head_dim", 2, 65_536, 512)}
        if "num_global_key_value_heads" in text:
            values["num_key_value_heads"] = text.integer("num_global_key_value_heads", 1, 4096)
        full = [index for index, name in enumerate(names) if name == "full_attention"]
        return {index: Section(text.file, values, text.field("global")) for index in full}
    table = text.section("per_layer_config")
    overrides = {}
    for key in table.values:
        if not (key.isascii() and key.isdigit()) or int(key) >= len(names):
            table.fail(key, f"not the index of one of the {len(names)} layers")
        entry = table.section(key)
        for name in entry.values:
            if name not in ("head_dim", "num_key_value_heads"):
                entry.fail(name, "cannot differ between layers here")
        overrides[int(key)] = entry
    return overrides


def _read_ropes(text: Section, layers: tuple[LayerConfig, ...]) -> Mapping[LayerKind, RopeConfig]:
    table = text.section("rope_parameters") if "rope_parameters" in text else None
    ropes = {}
    for name, kind in _KINDS.items():
        of_kind = [layer for layer in layers if layer.kind is kind]
        if not of_kind:
            continue
        source = table or Section(text.file, _DEFAULT_ROPE, text.field("rope_parameters"))
        ropes[kind] = _read_rope(source.section(name), of_kind[0].head_dim)
    return MappingProxyType(ropes)


def _read_rope(rope: Section, head_dim: int) -> RopeConfig:
    kind = rope.string("rope_type", rope.values.get("type", "default"))
    if kind not in ("default", "proportional"):
        rope.fail("rope_type", f"{shown(kind)} is not supported; only default and proportional are")
    factor = rope.number("partial_rotary_factor", 0.0, 1.0, 1.0)
    if kind == "default" and factor != 1.0:
        rope.fail("partial_rotary_factor", f"{factor:g} needs rope_type proportional")
    if rope.number("factor", 0.0, 1e9, 1.0) != 1.0:
        rope.fail("factor", "scaled rotary embeddings are not supported")
    return RopeConfig(rope.number("rope_theta", 1.0, 1e12, 10_000.0), head_dim, factor, kind == "proportional")


def _read_vision(vision: Section) -> VisionConfig:
    if (kind := vision.raw("model_type", "gemma4_vision")) != "gemma4_vision":
        vision.fail("model_type", f"{shown(kind)} is not gemma4_vision; only that tower is supported")
    _expect(vision, "use_clipped_linears", False, "clipped linear layers are not supported")
    # Its attention_bias is not looked at: the reference's tower has no biases, whatever that says.
    _expect(vision, "hidden_activation", "gelu_pytorch_tanh", "no other activation is supported")
    rope = vision.section("rope_parameters") if "rope_parameters" in vision else Section(vision.file, {}, vision.name)
    rope_kind = rope.string("rope_type", rope.values.get("type", "axial"))
    if rope_kind not in ("default", "axial"):  # "default" is how older files call the same thing
        rope.fail("rope_type", f"{shown(rope_kind)} is not supported; only axial (or default) is")
    heads = vision.integer("num_attention_heads", 1, 4096, 12)
    kv_heads = vision.integer("num_key_value_heads", 1, 4096, 12)
    if heads % kv_heads:
        vision.fail("num_key_value_heads", f"{heads} query heads cannot share {kv_heads} KV heads")
    head_dim = vision.integer("head_dim", 4, 65_536, 64)
    if head_dim % 4:
        vision.fail("head_dim", f"{head_dim} is not divisible by 4 (two axes, each rotated in pairs)")
    return VisionConfig(
        hidden_size=vision.integer("hidden_size", 1, _MAX_SIZE, 768),
        intermediate_size=vision.integer("intermediate_size", 1, _MAX_SIZE, 3072),
        layers=vision.integer("num_hidden_layers", 1, 4096, 16),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        patch_size=vision.integer("patch_size", 1, 1024, 16),
        # The reference yields no soft tokens at all with a kernel of 1.
        pooling=vision.integer("pooling_kernel_size", 2, 64, 3),
        position_table=vision.integer("position_embedding_size", 1, _MAX_IDS, 10_240),
        rope_theta=rope.number("rope_theta", 1.0, 1e12, 100.0),
        rms_norm_eps=vision.number("rms_norm_eps", 1e-12, 1.0, 1e-6),
        standardize=vision.boolean("standardize", False),
    )


def _expect(section: Section, key: str, only: object, why: str) -> None:
    value = section.raw(key, only)
    # `is not` besides `!=`, because 0 == False and 1 == True
    if value != only or type(value) is not type(only):
        section.fail(key, f"{shown(value)}: {why}")
