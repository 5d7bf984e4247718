"""The commands where all goes well, or where the device does not."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from dgemma_ros.checkpoint.config import load_config
from dgemma_ros.console import plan_view
from tests.cases import GOLDEN, load_golden, make_case
from tests.cli.conftest import ROOT, Command, environment, real
from tests.compare import compare
from tests.conftest import Folders
from tests.desk import SKILLS, write_model

# -- export and replay ------------------------------------------------------------------------------------------------


def test_export_then_replay_for_real(checkpoint: Folders, tmp_path: Path) -> None:
    """The main way of the judge: two processes, answers equal to the reference's."""
    exported = real("export", checkpoint("images"), "--out", tmp_path / "deep" / "out")
    assert exported.status == 0 and exported.out == ""
    assert f"{tmp_path / 'deep' / 'out'}: 5 graphs" in exported.err
    case, out = GOLDEN / "images-image.npz", tmp_path / "out.npz"
    replayed = real("replay", "--model", tmp_path / "deep" / "out", case, "--out", out, "--logits", "--cache")
    assert (replayed.status, replayed.out, replayed.err) == (0, "", "")
    with np.load(out) as answers:
        assert not compare(dict(answers), load_golden("images-image")[2]).wrong


def test_replay_of_a_bare_checkpoint(checkpoint: Folders, tmp_path: Path, dgemma: Command) -> None:
    out = tmp_path / "out.npz"
    case = GOLDEN / "plain-pins.npz"
    assert dgemma("replay", "--model", checkpoint("plain"), case, "--out", out, "--threads", 1).status == 0
    with np.load(out) as answers:
        expected = "argmax drawn next_canvas accepted entropy mean_entropy stop"
        assert set(answers.files) == set(expected.split())
        assert not compare(dict(answers), load_golden("plain-pins")[2]).wrong


def test_replay_writes_over_old_answers(exported: Folders, tmp_path: Path, dgemma: Command) -> None:
    out = tmp_path / "out.npz"
    out.write_text("old")
    done = dgemma("replay", "--model", exported("plain"), GOLDEN / "plain-text.npz", "--out", out)
    assert done.status == 0 and "out.npz: is there already, and will be replaced" in done.err
    with np.load(out) as answers:
        assert "argmax" in answers.files


def test_replay_tells_of_arrays_that_it_does_not_know(exported: Folders, tmp_path: Path, dgemma: Command) -> None:
    file = tmp_path / "case.npz"
    np.savez(file, **make_case(load_config(exported("plain")), 0), pins=np.zeros(1))
    outcome = dgemma("replay", "--model", exported("plain"), file, "--out", tmp_path / "out.npz")
    assert outcome.status == 0
    assert outcome.err == f"dgemma: {file}: pins: is not part of the format, and not looked at\n"


def test_an_export_in_a_type_that_the_cpu_cannot_run(checkpoint: Folders, tmp_path: Path, dgemma: Command) -> None:
    assert dgemma("export", checkpoint("plain"), "--out", tmp_path / "x", "--dtype", "bfloat16").status == 0
    out = tmp_path / "out.npz"
    mistake = dgemma("replay", "--model", tmp_path / "x", GOLDEN / "plain-text.npz", "--out", out).mistake
    assert "x/backbone.onnx" in mistake and "bfloat16" in mistake and not out.exists()


# -- verify -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def with_cases(checkpoint: Folders, tmp_path: Path) -> Path:
    folder = shutil.copytree(checkpoint("plain"), tmp_path / "plain")
    (folder / "golden").mkdir()
    for file in GOLDEN.glob("plain-*.npz"):
        shutil.copy(file, folder / "golden" / file.name)
    return folder


def test_verify_right(with_cases: Path, dgemma: Command) -> None:
    outcome = dgemma("verify", "--model", with_cases)
    assert outcome.status == 0 and outcome.err == ""
    first, *cases, verdict = outcome.out.splitlines()
    assert "ONNX Runtime" in first and "float32" in first and verdict == "right in 3 cases"
    assert cases[0].startswith("  right  plain-long: 48 positions, no ties, largest error ")
    told = dgemma("verify", "--model", with_cases, "--json").object
    assert told["right"] is True and told["check"] == "golden" and told["precision"] == "float32"
    assert [case["name"] for case in told["cases"]] == ["plain-long", "plain-pins", "plain-text"]
    assert all(case["right"] and case["ties"].keys() == {"argmax", "drawn", "accepted"} for case in told["cases"])


def test_verify_wrong(with_cases: Path, dgemma: Command) -> None:
    file = with_cases / "golden" / "plain-text.expected.npz"
    with np.load(file) as stored:
        content = dict(stored)
    content["logits"] = content["logits"] + np.float32(0.25)
    content["key_1"] = np.full_like(content["key_1"], np.nan)
    np.savez(file, **content)
    outcome = dgemma("verify", "--model", with_cases)
    assert outcome.status == 1 and outcome.err == ""
    assert "  WRONG  plain-text: key_1: 18 of 18 differ, the first at [0, 0], off by inf (and 1 more)" in outcome.out
    assert outcome.out.splitlines()[-1] == "WRONG in 1 of 3 cases"
    outcome = dgemma("verify", "--model", with_cases, "--json")
    told = outcome.object
    assert outcome.status == 1 and told["right"] is False
    (bad,) = [case for case in told["cases"] if not case["right"]]
    assert bad["worst"]["key_1"] is None and bad["worst"]["logits"] == pytest.approx(0.25, rel=1e-3)
    assert bad["differences"][1].startswith("logits: 32 of 32 differ, the first at [0, 0], off by 0.25")


def test_verify_without_cases_says_what_it_is(checkpoint: Folders, dgemma: Command) -> None:
    outcome = dgemma("verify", "--model", checkpoint("odd_pattern"))
    assert outcome.status == 0
    assert (
        "self-consistency check" in outcome.out
        and "first 5 layers" in outcome.out
        and "not with the reference" in outcome.out
    )
    assert dgemma("verify", "--model", checkpoint("odd_pattern"), "--json").object["check"] == "self-consistency"


# -- drafts -----------------------------------------------------------------------------------------------------------


def test_drafts_on_a_terminal(tmp_path: Path) -> None:
    """Shown live on stderr, and gone when the plan is there; stdout has the plan alone."""
    robot = write_model(tmp_path / "robot")
    (robot / "skills.yaml").write_text(yaml.safe_dump(SKILLS))
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        child = subprocess.Popen(
            [*(sys.executable, "-m", "dgemma_ros.cli", "plan"), "--model", str(robot), "--task", "go", "--json"],
            stdout=subprocess.PIPE,
            stderr=theirs,
            cwd=ROOT,
            env=environment(TERM="xterm", COLUMNS="100", LINES="40"),
        )
        os.close(theirs)
        shown = b""
        try:
            while part := screen.read(4096):
                shown += part
        except OSError:  # how Linux says that the other end is closed
            pass
        out = child.communicate()[0]
    assert child.returncode in (0, 1) and "denoising_steps" in json.loads(out)
    assert b"canvas 1, step " in shown and b"nats" in shown


def test_how_sure_a_token_is_can_be_seen() -> None:
    text = plan_view.canvas(("go", " to\x1b[2J", " it"), (0.05, 0.5, 2.0), (True, False, False))
    assert text.plain == "go to\N{REPLACEMENT CHARACTER}[2J it"
    assert [str(span.style) for span in text.spans] == ["bold green", "yellow", "red"]


# -- bench ------------------------------------------------------------------------------------------------------------


def test_bench(exported: Folders, dgemma: Command) -> None:
    arguments = ("bench", "--model", exported("images"), "--rounds", 3, "--prompt", 40, "--threads", 1)
    told = dgemma(*arguments, "--json").object
    figures = {figure["name"]: figure for figure in told["figures"]}
    assert list(figures) == ["prefill", "step", "embed", "backbone", "head", "vision", "append 1", "append 64"]
    assert all(0 < figure["best_ms"] <= figure["median_ms"] and figure["rounds"] == 3 for figure in figures.values())
    assert told["context_tokens"] == 40 and told["canvas_length"] == 16 and "1 threads" in told["backend"]
    table = dgemma(*arguments)
    assert table.status == 0 and table.err == ""
    assert all(name in table.out for name in figures)
    bound, memory = told["bound"], told["memory"]
    parts = [bound[f"{name}_bytes"] for name in ("experts", "dense", "embedding", "cache")]
    assert all(part > 0 for part in parts) and sum(parts) == bound["step_bytes"]
    assert bound["embedding_bytes"] == 2 * 128 * 48 * 4
    assert bound["least_ms"] == pytest.approx(1e3 * bound["step_bytes"] / bound["bandwidth"])
    assert bound["times_slower"] == pytest.approx(figures["step"]["median_ms"] / bound["least_ms"])
    by_part = {part["name"]: part for part in bound["parts"]}
    assert list(by_part) == ["embed", "backbone", "head", "vision"]
    assert sum(by_part[name]["bytes"] for name in ("embed", "backbone", "head")) == pytest.approx(bound["step_bytes"])
    for part in by_part.values():
        assert part["bytes"] > 0 and part["least_ms"] == pytest.approx(1e3 * part["bytes"] / bound["bandwidth"])
        assert part["times_slower"] == pytest.approx(part["median_ms"] / part["least_ms"])
    assert memory["host_peak"] > 1e7 and memory["cache"] > 0 and memory["device"] is None
    assert told["first_plan"] is None and "tokenizer.json" in told["first_plan_missing"]
    assert all(f"  {name:<18} " in table.out for name in by_part)
    for words in ("bytes bound: a step reads", "GB/s measured here", "time to the first plan: not", "KV cache"):
        assert words in table.out


def test_bench_times_the_first_plan(tmp_path: Path, dgemma: Command) -> None:
    """By the model's own skills, or without them by one of ours."""
    robot = write_model(tmp_path / "robot")
    arguments = ("bench", "--model", robot, "--rounds", 1, "--prompt", 8, "--threads", 1)
    plan = dgemma(*arguments, "--json").object["first_plan"]
    assert 0 < plan["opening_ms"] < plan["cold_ms"] and plan["warm_ms"] > 0
    assert plan["denoising_steps"] > 0 and plan["status"] in ("CONVERGED", "STEP_LIMIT")
    (robot / "skills.yaml").write_text("skills: 3")
    table = dgemma(*arguments)
    assert "time to the first plan: not measured" in table.out and "skills.yaml" in table.out


def test_bench_with_too_long_a_prompt(tmp_path: Path, dgemma: Command) -> None:
    from tests.tiny import Tiny, make

    folder = make(tmp_path / "checkpoint", Tiny(layers="SF", positions=64, vision=None))
    assert "does not fit" in dgemma("bench", "--model", folder, "--prompt", 60).mistake
