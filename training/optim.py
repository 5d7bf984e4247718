"""Two optimisers in one step: Muon (orthogonalised momentum) for the matrices, AdamW for all else.

Muon makes each matrix's update have equal singular values; with its update scaled to AdamW's usual size, one learning
rate serves both. Matrices of one shape are stacked, so that a step takes few kernels.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn


def _orthogonal(matrices: Tensor, rounds: int = 5) -> Tensor:
    """The nearest (semi-)orthogonal matrices, roughly: quintic Newton-Schulz in bfloat16, batched over leading axes."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, for parameters of two or more axes."""

    def __init__(self, parameters: list[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.05):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                alike[weight.shape].append(weight)
            for shape, weights in alike.items():
                grads = [w.grad for w in weights]
                momenta = [self.state[w]["momentum"] for w in weights]
                torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
                ahead = torch._foreach_lerp(grads, momenta, group["momentum"])
                update = _orthogonal(torch.stack(ahead))
                torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(weights, list(update.unbind()), alpha=-group["lr"] * 0.2 * max(shape[-2:]) ** 0.5)


def optimisers(weights: dict[str, nn.Parameter], extra: nn.Module, lr: float) -> list[torch.optim.Optimizer]:
    """Splits the parameters as above; those of `extra` go to AdamW."""
    matrices, rest = [], list(extra.parameters())
    for name, weight in weights.items():
        small = (
            weight.dim() < 2 or min(weight.shape[-2:]) < 16 or "embed_tokens" in name or "position_embedding" in name
        )
        (rest if small else matrices).append(weight)
    fused = matrices[0].is_cuda
    adamw = torch.optim.AdamW(rest, lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=fused)
    return [Muon(matrices, lr), adamw]
