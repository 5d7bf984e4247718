"""The command run in this process, or for real in one of its own; and a checkpoint that can talk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgemma_ros.cli.app import run
from tests.cases import make_case
from tests.tiny import TINIES, Tiny, make
from tests.tokenizers import tokenizer_json, write_tokenizer

ROOT = Path(__file__).parents[2]


@dataclass
class Outcome:
    status: int
    out: str
    err: str

    @property
    def mistake(self) -> str:
        """The one line in which a user's mistake ends."""
        assert self.status == 2, (self.status, self.err)
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("dgemma: ") and lines[0].isprintable()
        return lines[0]

    @property
    def object(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        value = json.loads(self.out)
        assert isinstance(value, dict) and self.out.endswith("}\n")
        return value


Command = Callable[..., Outcome]


@pytest.fixture
def dgemma(capfd: pytest.CaptureFixture[str]) -> Command:
    """``dgemma ARGUMENTS`` in this process; what is written by native code is seen, too."""

    def call(*arguments: object) -> Outcome:
        capfd.readouterr()
        status = run([str(argument) for argument in arguments])
        return Outcome(status, *capfd.readouterr())

    return call


def real(*arguments: object, **options: Any) -> Outcome:
    """``dgemma ARGUMENTS`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "dgemma_ros.cli", *map(str, arguments)],
        **{"capture_output": True, "text": True, "cwd": ROOT, "env": environment(), "timeout": 120, **options},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb", **more}


@pytest.fixture(scope="session")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with a tokenizer and a chat template. Not to be written to."""
    ids = tokenizer_json()["model"]["vocab"]
    folder = make(tmp_path_factory.mktemp("talking") / "checkpoint", Tiny(vocab=len(ids), layers="SF"))
    write_tokenizer(folder)
    config = json.loads((folder / "config.json").read_text())
    named = {"boi_token_id": "<|image>", "image_token_id": "<|image|>", "eoi_token_id": "<image|>"}
    config |= {key: ids[token] for key, token in named.items()}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def make_case_for(name: str) -> dict[str, np.ndarray]:
    from dgemma_ros.checkpoint.config import read_config
    from dgemma_ros.checkpoint.fields import Section
    from tests.tiny import config_json

    return make_case(read_config(Section(Path("config.json"), config_json(TINIES[name]))), 0)
