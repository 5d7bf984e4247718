"""Success against the step budget, measured and drawn.

`python training/figures.py` writes training/steps.json and training/steps.png.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np

from dgemma_ros.model import open_model
from training import evaluate, prompt, tasks
from training.desk import Desk

BUDGETS = (1, 2, 4, 8, 16)
HERE = Path(__file__).resolve().parent
SCENES, BLANKED, SEED = 200, 100, 1234
_LINES = {
    "all kinds": (60, 60, 60),
    "any order": (200, 80, 40),
    "history": (40, 140, 60),
    "words and edits": (40, 110, 220),
    "picture blanked": (170, 170, 170),
}


def measure() -> dict[str, Any]:
    """For each budget: success over all kinds, over groups of kinds and with the picture blanked; mean steps used."""
    model, rows = open_model(prompt.NANO, threads=1), []
    for budget in BUDGETS:
        desk = Desk(prompt.NANO, model, max_steps=budget)
        tallies = evaluate.score(desk, evaluate.questions(SEED, SCENES))
        blanked = evaluate.score(desk, evaluate.questions(SEED, BLANKED, blank=True))
        desk.close()
        share = {
            name: float(np.mean([v for k in kinds for v in tallies[k].right]))
            for name, kinds in (
                ("all kinds", tasks.KINDS),
                ("any order", tasks.UNORDERED),
                ("history", tasks.HISTORY),
                ("words and edits", tasks.TEXT + tasks.EDIT),
            )
        }
        share["picture blanked"] = float(np.mean([v for k in tasks.NEEDS_PICTURE for v in blanked[k].right]))
        rows.append(
            {
                "budget": budget,
                "steps_used": float(np.mean([v for t in tallies.values() for v in t.steps])),
                "right": {k: round(v, 4) for k, v in share.items()},
                "kinds": {k: round(float(np.mean(tallies[k].right)), 4) for k in tasks.KINDS},
                "blank_kinds": {k: round(float(np.mean(blanked[k].right)), 4) for k in tasks.KINDS},
            }
        )
    return {"scenes": SCENES, "blanked": BLANKED, "seed": SEED, "rows": rows}


def draw(result: dict[str, Any]) -> np.ndarray:
    """A plain line chart, BGR."""
    width, height, left, top, right, bottom = 900, 520, 80, 40, 220, 70
    page = np.full((height, width, 3), 255, np.uint8)
    inner_w, inner_h = width - left - right, height - top - bottom

    def point(number: int, value: float) -> tuple[int, int]:
        return left + round(number * inner_w / (len(BUDGETS) - 1)), top + round((1 - value) * inner_h)

    def write(text: str, at: tuple[int, int], colour: tuple[int, int, int] = (60, 60, 60), scale: float = 0.5) -> None:
        cv2.putText(page, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)

    for tenth in range(0, 11, 2):
        y = point(0, tenth / 10)[1]
        cv2.line(page, (left, y), (width - right, y), (225, 225, 225), 1)
        write(f"{tenth * 10} %", (left - 58, y + 5))
    for number, row in enumerate(result["rows"]):
        x = point(number, 0)[0]
        write(str(row["budget"]), (x - 6, height - bottom + 24))
        write(f"({row['steps_used']:.1f})", (x - 16, height - bottom + 44), (140, 140, 140), 0.42)
    write("step budget (mean steps used)", (left + inner_w // 2 - 120, height - 8))
    write("exactly right plans", (left - 60, 24))
    labels: list[int] = []
    ends = sorted(_LINES, key=lambda name: -result["rows"][-1]["right"][name])
    for name in ends:
        line = np.array([point(i, row["right"][name]) for i, row in enumerate(result["rows"])], np.int32)
        cv2.polylines(page, [line], False, _LINES[name], 2, cv2.LINE_AA)
        for x, y in line:
            cv2.circle(page, (int(x), int(y)), 4, _LINES[name], -1, cv2.LINE_AA)
        at = max(int(line[-1][1]) + 5, labels[-1] + 20 if labels else 0)
        labels.append(at)
        write(f"{name} {result['rows'][-1]['right'][name] * 100:.0f} %", (width - right + 14, at), _LINES[name])
    return page


def main() -> None:
    file = HERE / "steps.json"
    result = measure()
    file.write_text(json.dumps(result, indent=1) + "\n")
    cv2.imwrite(str(HERE / "steps.png"), draw(result))
    for row in result["rows"]:
        print(row["budget"], round(row["steps_used"], 2), row["right"])


if __name__ == "__main__":
    main()
