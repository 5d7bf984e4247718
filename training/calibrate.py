"""Fits what a plan's confidence means: `python training/calibrate.py` writes confidence.json.

The highest entropy that any token of a plan had in any step says how likely it is to be right, but not by itself; that
of the last step says little, for by then the model has made up its mind. On scenes and sessions of a seed of their own,
in picture conditions, held-out and others' wordings, a logistic curve over its logarithm is fitted to whether the plan
was right; `dgemma_ros.checkpoint.generation.Calibration` applies it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from dgemma_ros.checkpoint.generation import Calibration
from dgemma_ros.model import open_model
from training import evaluate, prompt, words
from training.desk import Desk

SEED = 80_808
SOURCES: tuple[words.Source, ...] = ("known", "held", "others")
CONDITIONS = ("usual", "dark", "blurred", "zoomed", "wide", "noisy")


def asked(folder: Path, count: int, sessions: int) -> tuple[np.ndarray, np.ndarray]:
    """Minus the logarithms of the highest entropies, and whether the plans were right."""
    model = open_model(folder, threads=1)
    plain = Calibration(0.0, 1.0, highest=True)  # a confidence is the logistic function of what is asked for here
    model = replace(model, generation=replace(model.generation, calibration=plain))
    desk = Desk(folder, model)
    whole = evaluate.Tally()
    for number, condition in enumerate(CONDITIONS):
        for source in SOURCES:
            questions = evaluate.questions(SEED + number, count, condition=condition, source=source)
            for tally in evaluate.score(desk, questions).values():
                whole.join(tally)
    for source in SOURCES:
        for tally in evaluate.talks(desk, SEED, range(sessions), source)[0].values():
            whole.join(tally)
    desk.close()
    sure = np.array(whole.sure)
    made = sure > 0  # nothing is said of how sure no plan at all is
    return np.log(sure[made] / (1 - sure[made])), np.array(whole.right)[made]


def fit(certainty: np.ndarray, right: np.ndarray, rounds: int = 50) -> Calibration:
    """Logistic regression by Newton's method, with a light pull towards zero."""
    x = np.stack([np.ones_like(certainty), certainty], 1)
    weights = np.zeros(2)
    for _ in range(rounds):
        share = 1 / (1 + np.exp(-x @ weights))
        slope = x.T @ (share - right) + 1e-2 * weights
        curve = (x * (share * (1 - share))[:, None]).T @ x + 1e-2 * np.eye(2)
        weights -= np.linalg.solve(curve, slope)
    return Calibration(round(float(weights[0]), 4), round(float(weights[1]), 4), highest=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=prompt.NANO)
    parser.add_argument("--n", type=int, default=75, help="scenes for each condition and sort of words")
    parser.add_argument("--sessions", type=int, default=30)
    args = parser.parse_args()
    certainty, right = asked(args.model, args.n, args.sessions)
    made = fit(certainty, right)
    fitted = {"offset": made.offset, "slope": made.slope, "entropy": "highest"}
    (args.model / "confidence.json").write_text(json.dumps(fitted) + "\n")
    told = 1 / (1 + np.exp(-(made.offset + made.slope * certainty)))
    area = evaluate.auroc(right.tolist(), told.tolist())
    print(f"{len(right)} plans, {right.mean():.3f} right, AUROC {area}; {made}")
    for low in (0.0, 0.5, 0.8, 0.9, 0.95, 0.98):
        above = told >= low
        if above.any():
            print(f"confidence from {low}: {above.mean():.2f} of all, {right[above].mean():.3f} right")


if __name__ == "__main__":
    main()
