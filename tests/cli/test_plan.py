"""``dgemma plan``, with a random checkpoint: its plans are seldom valid, and always said to be what they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from tests.cli.conftest import Command
from tests.desk import SKILLS, write_model

KEYS = {
    "status",
    "valid",
    "stale",
    "steps",
    "text",
    "denoising_steps",
    "step_budget",
    "canvases",
    "mean_entropy",
    "context_tokens",
    "latency_ms",
    "seed",
    "confirmation",
    "other_text",
    "recalled",
    "error",
    "error_code",
}


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint that sees, with skills."""
    folder = write_model(tmp_path_factory.mktemp("plan") / "robot")
    (folder / "skills.yaml").write_text(yaml.safe_dump(SKILLS))
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    files = [tmp_path / f"{number}.png" for number in range(2)]
    for number, file in enumerate(files):
        cv2.imwrite(str(file), np.full((48, 64, 3), 90 * number, np.uint8))
    return files


def test_a_plan_from_a_template(robot: Path, pictures: list[Path], dgemma: Command) -> None:
    words = ["plan", "--model", robot, "--task", "stop now", "--template", "stop(); turn(by=7)", "--json", "--seed", 5]
    done = dgemma(*words, "--image", pictures[0], "--image", pictures[1])
    said = done.object
    assert done.status == 0 and set(said) == KEYS and said["valid"] and said["status"] == "CONVERGED"
    assert [(s["skill"], s["arguments"]) for s in said["steps"]] == [("stop", {}), ("turn", {"by": 7})]
    assert said["seed"] == 5 and said["error"] is None and said["canvases"] == 1
    latency = said["latency_ms"]
    assert latency["total"] >= latency["vision"] + latency["prefill"] + latency["denoise"] and latency["vision"] > 0
    people = dgemma(*(word for word in words if word != "--json"))
    assert people.out == "stop(); turn(by=7)\n" and "CONVERGED" in people.err
    assert said["confirmation"] == "NOT_ASKED" and "another seed" not in people.err
    confirmed = dgemma(*words, "--confirm").object
    assert (confirmed["confirmation"], confirmed["other_text"], confirmed["text"]) == ("CONFIRMED", "", said["text"])
    assert "another seed: confirmed" in dgemma(*(word for word in words if word != "--json"), "--confirm").err


def test_an_answer_that_is_no_plan_is_not_valid(robot: Path, dgemma: Command) -> None:
    done = dgemma("plan", "--model", robot, "--task", "stop", "--json")
    assert done.status == 1 and not done.object["valid"] and done.object["error"]


def test_a_hopeless_budget_ends_at_once_and_honestly(robot: Path, dgemma: Command) -> None:
    done = dgemma("plan", "--model", robot, "--task", "stop", "--json", "--budget-ms", 1)
    assert done.status == 1 and done.object["status"] == "DEADLINE" and done.object["error_code"] == "LATE"
    assert done.object["steps"] == []


def test_mistakes_are_one_line(robot: Path, tmp_path: Path, dgemma: Command) -> None:
    mistake = dgemma("plan", "--model", robot, "--task", "x", "--skills", tmp_path / "none.yaml").mistake
    assert "none.yaml: no such file" in mistake
    bare = shutil.copytree(robot, tmp_path / "bare", ignore=shutil.ignore_patterns("skills.yaml"))
    assert "skills.yaml" in dgemma("plan", "--model", bare, "--task", "x").mistake
    assert (
        "'fly' is no skill" in dgemma("plan", "--model", robot, "--task", "x", "--template", "fly()", "--json").mistake
    )
    assert "the task has no words" in dgemma("plan", "--model", robot, "--task", "  ").mistake
