"""Tokenizers and templates that would hang or fill the memory are ended in a child, with one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dgemma_ros.checkpoint.trial import try_out
from dgemma_ros.errors import TokenizerError
from dgemma_ros.model import open_model
from tests.desk import write_model
from tests.tokenizers import write_tokenizer


def template(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


def growing_words(folder: Path) -> None:
    """A normalizer that makes ten letters of one, twenty times over."""
    content = json.loads((folder / "tokenizer.json").read_text())
    replace = {"type": "Replace", "pattern": {"String": "e"}, "content": "e" * 10}
    content["normalizer"] = {"type": "Sequence", "normalizers": [replace] * 20}
    (folder / "tokenizer.json").write_text(json.dumps(content))


FOR, END = "{% for a in range(99999) %}", "{% endfor %}"


def looking_ahead(folder: Path) -> None:
    """A pattern that looks to the end of a row from each of its letters."""
    content = json.loads((folder / "tokenizer.json").read_text())
    split = {"type": "Split", "pattern": {"Regex": "[a-z_]+:|."}, "behavior": "Isolated", "invert": False}
    content["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split]}
    (folder / "tokenizer.json").write_text(json.dumps(content))


ENDLESS = {
    "loops": template(FOR * 3 + END * 3),
    "growing text": template("{% set n = namespace(t='x' * 99999) %}" + "{% set n.t = n.t ~ n.t %}" * 40 + "{{ n.t }}"),
    "growing words": growing_words,
    "looking ahead": looking_ahead,
}


@pytest.mark.parametrize("damage", ENDLESS.values(), ids=ENDLESS.keys())
def test_what_does_not_end_is_ended(damage: Callable[[Path], object], tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    damage(tmp_path)
    with pytest.raises(TokenizerError) as error:
        try_out(tmp_path, seconds=3)
    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_a_template_that_fills_the_memory_has_not_passed(tmp_path: Path) -> None:
    """It is not one that merely refuses these messages: elsewhere there would be no limit."""
    write_tokenizer(tmp_path)
    template("{{ 'x' * 99999999999 }}")(tmp_path)
    with pytest.raises(TokenizerError, match="takes more than 8 GiB"):
        try_out(tmp_path)


def test_what_passed_is_remembered_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "model").mkdir()
    write_tokenizer(tmp_path / "model")
    try_out(tmp_path / "model")
    (passed,) = (tmp_path / "cache" / "dgemma_ros" / "tried").iterdir()
    first = passed.stat().st_mtime_ns
    try_out(tmp_path / "model")
    assert passed.stat().st_mtime_ns == first
    (tmp_path / "model" / "chat_template.jinja").write_text("{{ bos_token }}")
    try_out(tmp_path / "model")
    assert len(list(passed.parent.iterdir())) == 2


def test_a_model_tries_before_it_reads(tmp_path: Path) -> None:
    model = open_model(write_model(tmp_path / "model"), threads=1)
    (tmp_path / "model" / "chat_template.jinja").write_text("{% for %}")
    with pytest.raises(TokenizerError, match=r"chat_template\.jinja: line 1"):
        _ = model.chat


def no_words(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"] |= {"vocab": {}, "merges": []}
    (folder / "tokenizer.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_words, "tokenizer.json: "),
        (template("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}"), "chat_template.jinja: is nested too deeply"),
        (template("{% if 1 %}" * 5000 + "{% endif %}" * 5000), "chat_template.jinja: is nested too deeply"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(damage: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    damage(tmp_path)
    with pytest.raises(TokenizerError) as error:
        try_out(tmp_path)
    assert str(tmp_path / said.partition(":")[0]) in str(error.value) and said in str(error.value)
    assert "\n" not in str(error.value) and "RecursionError" not in str(error.value)
