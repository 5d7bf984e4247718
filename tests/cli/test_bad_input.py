"""What is wrong in the user's files: one line that names file and field, exit status 2, and nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Command, make_case_for, real
from tests.conftest import Folders
from tests.tiny import TINIES, make

Damage = Callable[[Path], None]


@pytest.fixture
def broken(checkpoint: Folders, tmp_path: Path) -> Callable[[str, Damage], Path]:
    """A copy of a tiny checkpoint, damaged."""

    def copy(name: str, damage: Damage) -> Path:
        folder = shutil.copytree(checkpoint(name), tmp_path / "broken")
        damage(folder)
        return folder

    return copy


def set_in(file: str, *keys: str, to: Any) -> Damage:
    def damage(folder: Path) -> None:
        root = value = json.loads((folder / file).read_text())
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] = to
        (folder / file).write_text(json.dumps(root))

    return damage


def cut(file: str, keep: int) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / file).read_bytes()
        (folder / file).write_bytes(content[:keep])

    return damage


SHARD = "model-00002-of-00003.safetensors"
CHECKPOINTS: list[tuple[str, str, Damage, tuple[str, ...]]] = [
    ("missing shard", "odd_pattern", lambda f: (f / SHARD).unlink(), (f"{SHARD}: missing",)),
    ("truncated shard", "odd_pattern", cut(SHARD, 50_000), (SHARD, "truncated")),
    ("header cut", "plain", cut("model.safetensors", 100), ("model.safetensors", "truncated")),
    ("empty shard", "plain", cut("model.safetensors", 0), ("model.safetensors", "truncated")),
    ("no weights", "plain", lambda f: (f / "model.safetensors").unlink(), ("holds neither model.safetensors",)),
    ("no config", "plain", lambda f: (f / "config.json").unlink(), ("config.json: no such file",)),
    ("cut config", "plain", cut("config.json", 100), ("config.json: not valid JSON",)),
    ("other model", "plain", set_in("config.json", "model_type", to="llama"), ("config.json: model_type: 'llama'",)),
    (
        "other text model",
        "plain",
        set_in("config.json", "text_config", "model_type", to="gemma3_text"),
        ("config.json: text_config.model_type",),
    ),
    (
        "heads that do not share",
        "plain",
        set_in("config.json", "text_config", "num_key_value_heads", to=3),
        ("config.json: text_config.num_key_value_heads: 4 query heads cannot share 3 KV heads",),
    ),
    (
        "odd head",
        "plain",
        set_in("config.json", "text_config", "head_dim", to=15),
        ("config.json: text_config.head_dim: 15 is odd",),
    ),
    (
        "another vision head",
        "images",
        set_in("config.json", "vision_config", "head_dim", to=10),
        ("config.json: vision_config.head_dim: 10",),
    ),
    (
        "weights of another size",
        "plain",
        set_in("config.json", "text_config", "hidden_size", to=64),
        ("model.safetensors: model.decoder.embed_tokens.weight has shape [97, 48]", "[97, 64]"),
    ),
    (
        "a bad generation config",
        "plain",
        set_in("generation_config.json", "t_min", to=-1),
        ("generation_config.json: t_min: -1",),
    ),
]


@pytest.mark.parametrize(("name", "damage", "said"), [c[1:] for c in CHECKPOINTS], ids=[c[0] for c in CHECKPOINTS])
def test_a_checkpoint(
    name: str, damage: Damage, said: tuple[str, ...], broken: Callable[[str, Damage], Path], dgemma: Command
) -> None:
    folder = broken(name, damage)
    if "generation_config.json" not in said[0]:  # which an export only copies
        mistake = dgemma("export", folder, "--out", folder.parent / "out").mistake
        assert all(part in mistake for part in said), mistake
        assert str(folder) in mistake
    case = folder.parent / "case.npz"
    np.savez(case, input_ids=np.zeros(3, np.int64))
    mistake = dgemma("replay", "--model", folder, case, "--out", folder.parent / "out.npz").mistake
    assert all(part in mistake for part in said), mistake
    assert sorted(path.name for path in folder.parent.iterdir()) == ["broken", "case.npz"]


def test_for_real_with_a_missing_shard(broken: Callable[[str, Damage], Path]) -> None:
    folder = broken("odd_pattern", lambda f: (f / SHARD).unlink())
    out = folder.parent / "deep" / "er" / "out"
    assert f"{folder / SHARD}: missing" in real("export", folder, "--out", out).mistake
    assert [path.name for path in folder.parent.iterdir()] == ["broken"]


EXPORTS: list[tuple[str, Damage, tuple[str, ...]]] = [
    ("cut graph", cut("backbone.onnx", 1000), ("backbone.onnx: cannot be read", "export the checkpoint again")),
    ("no graph", lambda f: (f / "head.onnx").unlink(), ("head.onnx: no such file", "export the checkpoint again")),
    ("cut manifest", cut("manifest.json", 1000), ("manifest.json: not valid JSON",)),
    (
        "old graphs",
        set_in("manifest.json", "settings", "graphs", to=0),
        ("manifest.json", "export the checkpoint again"),
    ),
    (
        "unknown type",
        set_in("manifest.json", "settings", "dtype", to="int4"),
        ("manifest.json: settings.dtype: 'int4'",),
    ),
    (
        "type of a wrong type",
        set_in("manifest.json", "settings", "dtype", to=[]),
        ("manifest.json: settings.dtype: [] is not a string",),
    ),
    (
        "no layers",
        set_in("manifest.json", "settings", "layers", to=0),
        ("settings.layers: 0 is outside",),
    ),
    ("a NUL", set_in("manifest.json", "checkpoint", to="\0"), ("manifest.json: checkpoint:", "is no path")),
    ("a long path", set_in("manifest.json", "checkpoint", to="/" + "a" * 9999), ("manifest.json: checkpoint:",)),
    ("checkpoint gone", set_in("manifest.json", "checkpoint", to="/nowhere"), ("/nowhere: the checkpoint is gone",)),
]


@pytest.mark.parametrize(("damage", "said"), [e[1:] for e in EXPORTS], ids=[e[0] for e in EXPORTS])
def test_an_exported_folder(
    damage: Damage, said: tuple[str, ...], exported: Folders, tmp_path: Path, dgemma: Command
) -> None:
    folder = shutil.copytree(exported("plain"), tmp_path / "broken")
    damage(folder)
    case = tmp_path / "case.npz"
    np.savez(case, **make_case_for("plain"))
    mistake = dgemma("replay", "--model", folder, case, "--out", tmp_path / "out.npz").mistake
    assert all(part in mistake for part in said), mistake
    assert not (tmp_path / "out.npz").exists()


def test_weights_that_changed_after_the_export(checkpoint: Folders, tmp_path: Path, dgemma: Command) -> None:
    folder = shutil.copytree(checkpoint("plain"), tmp_path / "checkpoint")
    assert dgemma("export", folder, "--out", tmp_path / "out").status == 0
    make(folder, TINIES["plain"].with_(seed=1))
    mistake = dgemma("verify", "--model", tmp_path / "out").mistake
    assert f"{folder / 'model.safetensors'}: " in mistake and "changed since the export" in mistake


TOKENIZERS: list[tuple[str, Damage, tuple[str, ...]]] = [
    ("no tokenizer", lambda f: (f / "tokenizer.json").unlink(), ("tokenizer.json: no such file",)),
    ("cut tokenizer", cut("tokenizer.json", 5000), ("tokenizer.json",)),
    ("empty tokenizer", cut("tokenizer.json", 0), ("tokenizer.json",)),
    ("not text", lambda f: (f / "tokenizer.json").write_bytes(b"\xff\xfe{}") and None, ("tokenizer.json",)),
    (
        "another's",
        lambda f: (f / "tokenizer.json").write_text('{"model": {"type": "?"}}') and None,
        ("tokenizer.json",),
    ),
    ("no template", lambda f: (f / "chat_template.jinja").unlink(), ("chat_template",)),
    (
        "bad template",
        lambda f: (f / "chat_template.jinja").write_text("{% if %}") and None,
        ("chat_template.jinja: line 1",),
    ),
]


@pytest.mark.parametrize(("damage", "said"), [t[1:] for t in TOKENIZERS], ids=[t[0] for t in TOKENIZERS])
def test_a_tokenizer(damage: Damage, said: tuple[str, ...], talking: Path, tmp_path: Path, dgemma: Command) -> None:
    folder = shutil.copytree(talking, tmp_path / "broken")
    damage(folder)
    mistake = dgemma("plan", "--model", folder, "--task", "go").mistake
    assert str(folder) in mistake and all(part in mistake for part in said), mistake


def test_a_picture_that_cannot_be_read(talking: Path, tmp_path: Path, dgemma: Command) -> None:
    file = tmp_path / "picture.png"
    arguments = ("plan", "--model", talking, "--task", "go", "--image", file)
    assert f"{file}: no such file" in dgemma(*arguments).mistake
    file.write_bytes(b"no picture")
    assert f"{file}: not a picture" in dgemma(*arguments).mistake


def test_a_device_that_is_not_there(exported: Folders, dgemma: Command) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has it")
    assert "onnxruntime-gpu" in dgemma("verify", "--model", exported("plain"), "--device", "cuda").mistake
