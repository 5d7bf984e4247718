"""Renders the demo's clip: a scene as a short video file, and beside it the tasks with their right plans.

    python -m training.clip --seed 7 --out launch/demo
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import yaml

from training.render import Look, draw_moment
from training.scenes import Scene, sample_scene
from training.tasks import sample_task

SIZE = (640, 480)
RATE = 10
SECONDS = 4
KINDS = ("extreme", "clear", "where", "stack")


def write_video(scene: Scene, file: Path, seconds: float = SECONDS) -> None:
    """The scene's newest moment as a video, with the camera's shake and noise."""
    look, rng = Look.draw(scene.seed), np.random.default_rng((scene.seed, 3))
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"mp4v"), RATE, SIZE)
    if not writer.isOpened():
        raise RuntimeError(f"{file}: this OpenCV writes no MPEG-4")
    for _ in range(round(seconds * RATE)):
        writer.write(draw_moment(scene.now, look, rng, SIZE)[..., ::-1])
    writer.release()


def tasks_of(scene: Scene, kinds: tuple[str, ...], seed: int) -> list[dict[str, object]]:
    """One task of each kind, with its right plan."""
    rng = np.random.default_rng(seed)
    found = []
    for kind in kinds:
        task = next(t for t in (sample_task(rng, scene, kind) for _ in range(50)) if t is not None)
        plan = [{"skill": skill, **arguments} for skill, arguments in task.plan]
        found.append({"task": task.text, "ordered": task.ordered, "plan": plan})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--out", type=Path, default=Path("launch/demo"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    scene = sample_scene(rng)
    while not 2 <= sum(o.on_table for o in scene.now) <= 3:
        scene = sample_scene(rng)
    write_video(scene, options.out / "tabletop.mp4")
    content = {"tasks": tasks_of(scene, tuple(options.kinds), options.seed)}
    text = "# What the demo asks about tabletop.mp4, and the right plans. Made by training/clip.py.\n"
    (options.out / "tabletop.yaml").write_text(text + yaml.safe_dump(content, sort_keys=False, width=120))


if __name__ == "__main__":
    main()
