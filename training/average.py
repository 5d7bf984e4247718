"""The mean of two checkpoints' weights: `python training/average.py FIRST SECOND --out FOLDER`.

Half-way between a checkpoint and what further training made of it is often better than either: the noise of few and
small batches goes, what was learned stays. FOLDER gets model.safetensors only.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    first, second = (load_file(folder / "model.safetensors") for folder in (args.first, args.second))
    if {name: t.shape for name, t in first.items()} != {name: t.shape for name, t in second.items()}:
        raise SystemExit(f"{args.first} and {args.second} have other tensors or other shapes")
    mean = {name: torch.lerp(first[name].float(), second[name].float(), args.share) for name in first}
    save_file(
        {name: t.to(torch.bfloat16) for name, t in mean.items()}, args.out / "model.safetensors", {"format": "pt"}
    )


if __name__ == "__main__":
    main()
