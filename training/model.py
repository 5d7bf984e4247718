"""The reference's forward pass, written for large batches on one accelerator: few and large kernels, half precision.

The same arithmetic as `DiffusionGemmaForBlockDiffusion`, tensor by tensor under the released names
(`tests/oracle/test_nano.py` holds both equal). What differs is the shape of the work: all experts are computed as two
dense products, canvases of one context lie side by side and share its keys, and masks are given as tensors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

DECODER, ENCODER = "model.decoder.", "model.encoder."
TOWER = f"{ENCODER}vision_tower."
Weights = dict[str, Tensor]
Caches = list[tuple[Tensor, Tensor]]
"""Each layer's keys and values, [rows, KV heads, tokens, head size]."""


@dataclass
class Masks:
    """True where attention is allowed, [rows, 1, queries, keys], for sliding and full layers."""

    sliding: Tensor
    full: Tensor


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Every stored tensor but the layer scalars, with its shape."""
    text, vision = config["text_config"], config["vision_config"]
    h, inner, experts, small = (
        text[k] for k in ("hidden_size", "intermediate_size", "num_experts", "moe_intermediate_size")
    )
    found: dict[str, tuple[int, ...]] = {
        f"{DECODER}embed_tokens.weight": (text["vocab_size"], h),
        f"{DECODER}norm.weight": (h,),
        f"{DECODER}self_conditioning.pre_norm.weight": (h,),
        f"{DECODER}self_conditioning.gate_proj.weight": (inner, h),
        f"{DECODER}self_conditioning.up_proj.weight": (inner, h),
        f"{DECODER}self_conditioning.down_proj.weight": (h, inner),
    }
    for number, kind in enumerate(text["layer_types"]):
        at, sliding = f"{DECODER}layers.{number}.", kind == "sliding_attention"
        size = text["head_dim"] if sliding else text["global_head_dim"]
        heads = text["num_key_value_heads"] if sliding else text["num_global_key_value_heads"]
        norms = ("input", "post_attention", "pre_feedforward", "post_feedforward")
        found |= {f"{at}{n}_layernorm.weight": (h,) for n in norms}
        found |= {f"{at}{n}_layernorm_{i}.weight": (h,) for n, i in zip(norms[2:] + norms[3:], (2, 1, 2), strict=True)}
        found |= {
            f"{at}self_attn.q_proj.weight": (text["num_attention_heads"] * size, h),
            f"{at}self_attn.k_proj.weight": (heads * size, h),
            **({f"{at}self_attn.v_proj.weight": (heads * size, h)} if sliding else {}),
            f"{at}self_attn.o_proj.weight": (h, text["num_attention_heads"] * size),
            f"{at}self_attn.q_norm.weight": (size,),
            f"{at}self_attn.k_norm.weight": (size,),
            f"{at}mlp.gate_proj.weight": (inner, h),
            f"{at}mlp.up_proj.weight": (inner, h),
            f"{at}mlp.down_proj.weight": (h, inner),
            f"{at}experts.gate_up_proj": (experts, 2 * small, h),
            f"{at}experts.down_proj": (experts, h, small),
            f"{at}router.proj.weight": (experts, h),
            f"{at}router.scale": (h,),
            f"{at}router.per_expert_scale": (experts,),
        }
    w, inner, heads, size = (vision[k] for k in ("hidden_size", "intermediate_size", "num_attention_heads", "head_dim"))
    found |= {
        f"{TOWER}patch_embedder.input_proj.weight": (w, 3 * vision["patch_size"] ** 2),
        f"{TOWER}patch_embedder.position_embedding_table": (2, vision["position_embedding_size"], w),
        f"{ENCODER}embed_vision.embedding_projection.weight": (h, w),
    }
    for number in range(vision["num_hidden_layers"]):
        at = f"{TOWER}encoder.layers.{number}."
        norms = ("input", "post_attention", "pre_feedforward", "post_feedforward")
        found |= {f"{at}{n}_layernorm.weight": (w,) for n in norms}
        found |= {f"{at}self_attn.{n}_proj.linear.weight": (heads * size, w) for n in "qkv"}
        found |= {
            f"{at}self_attn.o_proj.linear.weight": (w, heads * size),
            f"{at}self_attn.q_norm.weight": (size,),
            f"{at}self_attn.k_norm.weight": (size,),
            f"{at}mlp.gate_proj.linear.weight": (inner, w),
            f"{at}mlp.up_proj.linear.weight": (inner, w),
            f"{at}mlp.down_proj.linear.weight": (w, inner),
        }
    return found


def initial(config: dict[str, Any], seed: int) -> dict[str, nn.Parameter]:
    """Fresh float32 weights. The attention scale is 1, so the query and key norms start at 1.5·head size^-¼."""
    generator = torch.Generator().manual_seed(seed)
    made: dict[str, nn.Parameter] = {}
    for name, shape in shapes(config).items():
        if name.endswith(("q_norm.weight", "k_norm.weight")):
            value = torch.full(shape, 1.5 * shape[0] ** -0.25)
        elif "position_embedding_table" in name:
            value = 0.3 * torch.randn(shape, generator=generator)
        elif len(shape) == 1:
            value = torch.full(shape, 0.3 if "vision" in name and "post_" in name else 1.0)
        else:
            value = torch.randn(shape, generator=generator) * shape[-1] ** -0.5
        made[name] = nn.Parameter(value)
    return made


ENCODER_SCALAR, DECODER_SCALAR = 0.875, 1.0
"""The only difference between the encoder's and the decoder's layers."""


def _norm(x: Tensor, weight: Tensor | None = None) -> Tensor:
    return functional.rms_norm(x, (x.shape[-1],), weight, 1e-6)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), -1)
    return x * cos + turned * sin


class Network:
    """The forward pass with one set of weights, in the type of those weights. Cheap to make: one for each step."""

    def __init__(self, config: dict[str, Any], weights: dict[str, Tensor], dtype: torch.dtype = torch.float32):
        self.text, self.vision = config["text_config"], config["vision_config"]
        self.w = {name: value.to(dtype) for name, value in weights.items()}
        self.dtype = dtype
        self.kinds = self.text["layer_types"]
        self.hidden = self.text["hidden_size"]
        self.table = self.w[f"{DECODER}embed_tokens.weight"]

    # -- parts ----------------------------------------------------------------------------------------------------

    def turns(self, positions: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Cosines and sines of [rows, tokens] positions for both kinds of layers, [rows, 1, tokens, head size]."""
        made = {}
        for kind, size in (("sliding", self.text["head_dim"]), ("full", self.text["global_head_dim"])):
            rope = self.text["rope_parameters"][f"{kind}_attention"]
            kept = int(size * rope.get("partial_rotary_factor", 1.0)) // 2
            exponents = torch.arange(0, 2 * kept, 2, dtype=torch.float32, device=positions.device) / size
            rates = functional.pad(1.0 / rope["rope_theta"] ** exponents, (0, size // 2 - kept))
            angles = positions[..., None].float() * rates
            both = torch.cat((angles, angles), -1)[:, None]
            made[kind] = (both.cos().to(self.dtype), both.sin().to(self.dtype))
        return made

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
        groups = q.shape[1] // k.shape[1]
        if groups > 1:
            k, v = (t.repeat_interleave(groups, 1) for t in (k, v))
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)

    def layer(
        self,
        number: int,
        x: Tensor,
        turns: dict[str, tuple[Tensor, Tensor]],
        masks: Masks,
        past: tuple[Tensor, Tensor] | None,
        scalar: float,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One layer on x [rows, tokens, hidden]: its output, and its own keys and values."""
        at, w = f"{DECODER}layers.{number}.", self.w
        sliding = self.kinds[number] == "sliding_attention"
        size = self.text["head_dim" if sliding else "global_head_dim"]
        rows, tokens, _ = x.shape

        def heads(y: Tensor) -> Tensor:
            return y.view(rows, tokens, -1, size).transpose(1, 2)

        normed = _norm(x, w[f"{at}input_layernorm.weight"])
        cos, sin = turns["sliding" if sliding else "full"]
        q = heads(functional.linear(normed, w[f"{at}self_attn.q_proj.weight"]))
        k = heads(functional.linear(normed, w[f"{at}self_attn.k_proj.weight"]))
        v = heads(functional.linear(normed, w[f"{at}self_attn.v_proj.weight"])) if sliding else k
        q = _rotate(_norm(q, w[f"{at}self_attn.q_norm.weight"]), cos, sin)
        k = _rotate(_norm(k, w[f"{at}self_attn.k_norm.weight"]), cos, sin)
        v = _norm(v)
        keys, values = (k, v) if past is None else (torch.cat((past[0], k), 2), torch.cat((past[1], v), 2))
        seen = self._attend(q, keys, values, masks.sliding if sliding else masks.full)
        seen = functional.linear(seen.transpose(1, 2).reshape(rows, tokens, -1), w[f"{at}self_attn.o_proj.weight"])
        x = x + _norm(seen, w[f"{at}post_attention_layernorm.weight"])
        one = _norm(self._dense(at, x), w[f"{at}post_feedforward_layernorm_1.weight"])
        two = _norm(self._experts(at, x), w[f"{at}post_feedforward_layernorm_2.weight"])
        return (x + _norm(one + two, w[f"{at}post_feedforward_layernorm.weight"])) * scalar, (k, v)

    def _dense(self, at: str, x: Tensor) -> Tensor:
        return self._gated(f"{at}mlp.", _norm(x, self.w[f"{at}pre_feedforward_layernorm.weight"]))

    def _gated(self, at: str, x: Tensor, end: str = ".weight") -> Tensor:
        gate, up = (functional.linear(x, self.w[f"{at}{n}_proj{end}"]) for n in ("gate", "up"))
        return functional.linear(functional.gelu(gate, approximate="tanh") * up, self.w[f"{at}down_proj{end}"])

    def _experts(self, at: str, x: Tensor) -> Tensor:
        w, count, most = self.w, self.text["num_experts"], self.text["top_k_experts"]
        routed = _norm(x) * w[f"{at}router.scale"] * self.hidden**-0.5
        shares = functional.linear(routed, w[f"{at}router.proj.weight"]).float().softmax(-1)
        best, index = shares.topk(most, -1)
        best = best / best.sum(-1, keepdim=True)
        gates = torch.zeros_like(shares).scatter(-1, index, best).to(self.dtype) * w[f"{at}router.per_expert_scale"]
        up = functional.linear(
            _norm(x, w[f"{at}pre_feedforward_layernorm_2.weight"]), w[f"{at}experts.gate_up_proj"].flatten(0, 1)
        )
        gate, up = up.unflatten(-1, (count, -1)).chunk(2, -1)
        inner = functional.gelu(gate, approximate="tanh") * up * gates[..., None]
        return functional.linear(inner.flatten(-2), w[f"{at}experts.down_proj"].transpose(0, 1).flatten(1))

    # -- wholes ---------------------------------------------------------------------------------------------------

    def embed(self, ids: Tensor) -> Tensor:
        return functional.embedding(ids, self.table) * self.hidden**0.5

    def logits(self, hidden: Tensor) -> Tensor:
        """Softcapped, float32."""
        cap = float(self.text["final_logit_softcapping"])
        return torch.tanh(functional.linear(hidden, self.table).float() / cap) * cap

    def soft_tokens(self, patches: Tensor, grid: tuple[int, int]) -> Tensor:
        """[pictures, cells, hidden] of patches [pictures, rows · columns, 3·patch²] in 0 to 1; `grid`: rows, columns of
        patches."""
        w, vision = self.w, self.vision
        heads, size, wide = vision["num_attention_heads"], vision["head_dim"], vision["hidden_size"]
        y, x = torch.meshgrid(*(torch.arange(n, device=patches.device) for n in grid), indexing="ij")
        y, x = y.flatten(), x.flatten()
        table = w[f"{TOWER}patch_embedder.position_embedding_table"]
        h = functional.linear(2 * (patches - 0.5).to(self.dtype), w[f"{TOWER}patch_embedder.input_proj.weight"])
        h = h + table[0][x] + table[1][y]
        rates = 1.0 / vision["rope_parameters"]["rope_theta"] ** (
            torch.arange(0, size // 2, 2, dtype=torch.float32, device=patches.device) / (size // 2)
        )
        turns = [(a[:, None].float() * rates).repeat(1, 2) for a in (x, y)]
        parts = [(t.cos().to(self.dtype), t.sin().to(self.dtype)) for t in turns]

        def turned(t: Tensor) -> Tensor:
            halves = t.split(size // 2, -1)
            return torch.cat([_rotate(half, *part) for half, part in zip(halves, parts, strict=True)], -1)

        for number in range(vision["num_hidden_layers"]):
            at = f"{TOWER}encoder.layers.{number}."
            normed = _norm(h, w[f"{at}input_layernorm.weight"])
            q, k, v = (
                functional.linear(normed, w[f"{at}self_attn.{n}_proj.linear.weight"])
                .view(len(h), -1, heads, size)
                .transpose(1, 2)
                for n in "qkv"
            )
            q, k = (turned(_norm(t, w[f"{at}self_attn.{n}_norm.weight"])) for t, n in ((q, "q"), (k, "k")))
            seen = functional.scaled_dot_product_attention(q, k, _norm(v), scale=1.0)
            seen = functional.linear(
                seen.transpose(1, 2).reshape(len(h), -1, heads * size), w[f"{at}self_attn.o_proj.linear.weight"]
            )
            h = h + _norm(seen, w[f"{at}post_attention_layernorm.weight"])
            inner = self._gated(f"{at}mlp.", _norm(h, w[f"{at}pre_feedforward_layernorm.weight"]), ".linear.weight")
            h = h + _norm(inner, w[f"{at}post_feedforward_layernorm.weight"])
        side = vision["pooling_kernel_size"]
        cells = h.view(len(h), grid[0] // side, side, grid[1] // side, side, wide).float().mean((2, 4)).flatten(1, 2)
        cells = _norm((cells * math.sqrt(wide)).to(self.dtype))
        return functional.linear(cells, w[f"{ENCODER}embed_vision.embedding_projection.weight"])

    def encode(
        self, embeds: Tensor, positions: Tensor, masks: Masks, past: Caches | None = None
    ) -> tuple[Tensor, Tensor, Caches]:
        """Reads [rows, tokens, hidden] behind `past`: the last hidden states (normed), the middle layer's, and each
        layer's keys and values of past and new tokens together."""
        turns, caches, x, middle = self.turns(positions), [], embeds, embeds
        for number in range(len(self.kinds)):
            before = past[number] if past else None
            x, own = self.layer(number, x, turns, masks, before, ENCODER_SCALAR)
            caches.append(
                own if before is None else tuple(torch.cat(pair, 2) for pair in zip(before, own, strict=True))
            )
            if number == len(self.kinds) // 2:
                middle = x
        return _norm(x, self.w[f"{DECODER}norm.weight"]), middle, caches

    def denoise(
        self, canvas: Tensor, positions: Tensor, masks: Masks, past: Caches, previous: Tensor | None = None
    ) -> Tensor:
        """Hidden states [rows, tokens, hidden], ready for `logits`. `previous`: soft embeddings of the step before."""
        x = self.embed(canvas)
        if previous is not None:
            at = f"{DECODER}self_conditioning."
            x = x + self._gated(at, _norm(previous, self.w[f"{at}pre_norm.weight"]))
        x = _norm(x)
        turns = self.turns(positions)
        for number in range(len(self.kinds)):
            x, _ = self.layer(number, x, turns, masks, past[number], DECODER_SCALAR)
        return _norm(x, self.w[f"{DECODER}norm.weight"])

    def soften(self, logits: Tensor) -> Tensor:
        """Soft embeddings of processed logits, for the next step."""
        return functional.linear(logits.softmax(-1).to(self.dtype), self.table.t()) * self.hidden**0.5
