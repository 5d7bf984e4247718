"""What is wrong in the user's files: one line that names file and field, exit status 2, and nothing half-written."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cases import make_case
from tests.cli.conftest import ROOT, Command, environment, real
from tests.conftest import Folders
from tests.tiny import TINIES, Tiny, make

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


def make_case_for(name: str) -> dict[str, np.ndarray]:
    from dgemma_ros.checkpoint.config import read_config
    from dgemma_ros.checkpoint.fields import Section
    from tests.tiny import config_json

    return make_case(read_config(Section(Path("config.json"), config_json(TINIES[name]))), 0)


CASES: list[tuple[str, str, str, Any, tuple[str, ...]]] = [
    ("no canvas", "plain", "canvas", None, ("canvas: is missing",)),
    ("a canvas too wide", "plain", "canvas", np.zeros((4, 17), np.int64), ("canvas: has shape [4, 17]", "C is 16")),
    (
        "steps apart",
        "plain",
        "uniform",
        np.zeros((5, 16), np.float32),
        ("uniform: has shape [5, 16]", "T is 4 (canvas)"),
    ),
    ("no steps", "plain", "temperature", np.float64(0.5), ("temperature: has shape [], expected [T]",)),
    (
        "types apart",
        "plain",
        "token_types",
        np.zeros(3, np.int64),
        ("token_types: has shape [3]", "S is 20 (input_ids)"),
    ),
    ("floats as ids", "plain", "input_ids", np.zeros(20), ("input_ids: holds float64, expected whole numbers",)),
    ("beyond the vocabulary", "plain", "input_ids", np.full(20, 97), ("input_ids: holds ids outside 0 … 96",)),
    ("chunks too short", "plain", "chunks", np.array([3]), ("chunks: must be positive and sum to 20",)),
    ("chunks that wrap", "plain", "chunks", np.array([2**62] * 4 + [20]), ("chunks: must be positive",)),
    ("uniform of one", "plain", "uniform", np.full((4, 16), 1 - 1e-12), ("uniform: must lie in [0, 1)",)),
    ("a cold step", "plain", "temperature", np.zeros(4), ("temperature: must lie in",)),
    ("an infinite bound", "plain", "entropy_bound", np.float64(np.inf), ("entropy_bound: holds NaN, infinity",)),
    ("half a pin", "plain", "pin", np.zeros(16, np.bool_), ("pin_ids: is missing", "come together")),
    ("nothing to draw", "plain", "disallowed_ids", np.arange(97), ("disallowed_ids: leaves no token",)),
    ("an unknown mask", "plain", "vision_mask", np.array("gemma5"), ("vision_mask: 'gemma5' is none of",)),
    ("pictures for the blind", "plain", "token_types", np.ones(20, np.int64), ("patches: is missing",)),
    ("no pictures", "images", "patches", None, ("patches: is missing: patches and patch_positions come together",)),
    ("a picture off the grid", "images", "patch_positions", 24, ("patch_positions: must lie in 0 … 23",)),
    ("cells in pieces", "images", "patch_positions", -1, ("patch_positions: ",)),
    ("an image cut", "images", "chunks", "in the image", ("chunks: a chunk ends at token", "inside the image")),
]


@pytest.mark.parametrize(("name", "field", "value", "said"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_case_file(
    name: str, field: str, value: Any, said: tuple[str, ...], exported: Folders, tmp_path: Path, dgemma: Command
) -> None:
    from dgemma_ros.checkpoint.config import load_config

    case = make_case(load_config(exported(name)), 3, images=int(name == "images"))
    if value is None:
        del case[field]
    elif isinstance(value, int):
        case[field][0, 0] = value
    elif isinstance(value, str):
        inside = int(np.flatnonzero(case["token_types"])[1])
        case[field] = np.array([inside, len(case["input_ids"]) - inside])
    else:
        case[field] = value
    file = tmp_path / "case.npz"
    np.savez(file, **case)
    mistake = dgemma("replay", "--model", exported(name), file, "--out", tmp_path / "out.npz").mistake
    assert mistake.startswith(f"dgemma: {file}: ")
    assert all(part in mistake for part in said), mistake
    assert [path.name for path in tmp_path.iterdir()] == ["case.npz"]


@pytest.mark.parametrize("room", [10, 30])
def test_a_prompt_beyond_the_context(room: int, tmp_path: Path, dgemma: Command) -> None:
    """Of 20 tokens, where there is room for 10; or for the prompt, but not for a canvas behind it."""
    folder = make(
        tmp_path / "checkpoint", Tiny(layers="SF", positions=room, canvas=10 if room == 10 else 16, vision=None)
    )
    from dgemma_ros.checkpoint.config import load_config

    file = tmp_path / "case.npz"
    np.savez(file, **make_case(load_config(folder), 0))
    mistake = dgemma("replay", "--model", folder, file, "--out", tmp_path / "out.npz").mistake
    what = "the prompt of 20 tokens" if room == 10 else "a canvas of 16 tokens"
    assert f"{file}: {what} does not fit" in mistake and "max_position_embeddings" in mistake


@pytest.mark.parametrize(
    "content", [b"", b"no zip", b"PK\x03\x04" + bytes(50), b"\x93NUMPY\x01\x00", "pickle", "one array", "huge"]
)
def test_what_is_no_case_file(content: bytes | str, exported: Folders, tmp_path: Path, dgemma: Command) -> None:
    file = tmp_path / "case.npz"
    if content == "pickle":
        np.savez(file, input_ids=np.array([object()], object))
    elif content == "one array":
        with file.open("wb") as stream:
            np.save(stream, np.zeros(3))
    elif content == "huge":
        import zipfile

        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000, 1000), }"
        with zipfile.ZipFile(file, "w") as archive:
            length = (len(header) + 1).to_bytes(2, "little")
            archive.writestr("canvas.npy", b"\x93NUMPY\x01\x00" + length + header + b"\n")
    else:
        assert isinstance(content, bytes)
        file.write_bytes(content)
    mistake = dgemma("replay", "--model", exported("plain"), file, "--out", tmp_path / "out.npz").mistake
    assert mistake.startswith(f"dgemma: {file}: ")
    assert not (tmp_path / "out.npz").exists()


def test_a_case_that_is_not_there(exported: Folders, tmp_path: Path, dgemma: Command) -> None:
    absent = tmp_path / "absent.npz"
    arguments = ("replay", "--model", exported("plain"), absent, "--out", tmp_path / "out.npz")
    assert dgemma(*arguments).mistake == f"dgemma: {absent}: no such file"
    assert "it is a folder" in dgemma(*arguments[:3], tmp_path, *arguments[4:]).mistake.lower()


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


# -- where the answers go -------------------------------------------------------------------------------------------


def test_an_export_never_replaces_anything(checkpoint: Folders, tmp_path: Path, dgemma: Command) -> None:
    source, out = checkpoint("plain"), tmp_path / "out"
    out.write_text("mine")
    assert f"{out}: exists already" in dgemma("export", source, "--out", out).mistake
    assert out.read_text() == "mine"
    assert f"{tmp_path}: exists already" in dgemma("export", source, "--out", tmp_path).mistake
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    assert f"{link}: exists already" in dgemma("export", source, "--out", link).mistake
    below = out / "below"
    assert f"{below}: cannot be written" in dgemma("export", source, "--out", below).mistake
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "out"]


def test_where_nothing_can_be_written(checkpoint: Folders, tmp_path: Path, dgemma: Command) -> None:
    """/proc takes nothing, not even from root; a folder without the right to write takes nothing from others."""
    if Path("/proc/self").exists():
        assert (
            "/proc/self/out: cannot be written"
            in dgemma("export", checkpoint("plain"), "--out", "/proc/self/out").mistake
        )
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    if not os.access(closed, os.W_OK):
        mistake = dgemma("export", checkpoint("plain"), "--out", closed / "out").mistake
        assert f"{closed / 'out'}: cannot be written (Permission denied)" in mistake


def test_an_empty_folder_may_be_exported_into(checkpoint: Folders, tmp_path: Path, dgemma: Command) -> None:
    assert dgemma("export", checkpoint("plain"), "--out", tmp_path).status == 0
    assert (tmp_path / "manifest.json").exists()


def test_where_replay_does_not_write(exported: Folders, tmp_path: Path, dgemma: Command) -> None:
    file = tmp_path / "case.npz"
    np.savez(file, **make_case_for("plain"))
    before = file.read_bytes()
    for out, said in (
        (file, "is the case itself"),
        (tmp_path / "absent" / "out.npz", "there is no folder"),
        (tmp_path, "is not an ordinary file"),
        (Path("/dev/null"), "is not an ordinary file"),
    ):
        assert f"{out}: {said}" in dgemma("replay", "--model", exported("plain"), file, "--out", out).mistake
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["case.npz"]
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's limits and namespaces")
class TestAFullDisk:
    """The writing itself fails: at a limit on a file's size, and on a file system that really is full."""

    @staticmethod
    def tight() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    def test_export_at_a_limit(self, checkpoint: Folders, tmp_path: Path) -> None:
        out = tmp_path / "deep" / "out"
        mistake = real("export", checkpoint("images"), "--out", out, preexec_fn=self.tight).mistake
        assert f"{out}: cannot be written (File too large)" in mistake and "nothing was left behind" in mistake
        assert list(tmp_path.iterdir()) == []

    def test_replay_at_a_limit(self, exported: Folders, tmp_path: Path) -> None:
        file, out = tmp_path / "case.npz", tmp_path / "out.npz"
        np.savez(file, **make_case_for("plain"))
        out.write_text("old answers")
        arguments = ("replay", "--model", exported("plain"), file, "--out", out, "--cache", "--logits")
        outcome = real(*arguments, preexec_fn=self.tight)
        warning, mistake = outcome.err.splitlines()
        assert outcome.status == 2 and f"{out}: cannot be written" in mistake and "will be replaced" in warning
        assert out.read_text() == "old answers"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["case.npz", "out.npz"]

    def test_a_cache_at_a_limit(self, checkpoint: Folders, tmp_path: Path) -> None:
        options = {"preexec_fn": self.tight, "env": environment(XDG_CACHE_HOME=str(tmp_path / "cache"))}
        mistake = real("verify", "--model", checkpoint("images"), **options).mistake
        assert "cannot be written (File too large)" in mistake and "XDG_CACHE_HOME" in mistake
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("size", ["16k", "96k"])
    def test_export_on_a_small_file_system(self, size: str, checkpoint: Folders, tmp_path: Path) -> None:
        """Too small for the first graph; and for the last file, the manifest."""
        script = f"mount -t tmpfs -o size={size} tmpfs '{tmp_path}' || exit 77\n" + (
            f"'{sys.executable}' -m dgemma_ros.cli export '{checkpoint('images')}' --out '{tmp_path}/out'\n"
            f"echo $?; ls -A '{tmp_path}'"
        )
        unshare = ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", script]
        try:
            done = subprocess.run(unshare, capture_output=True, text=True, cwd=ROOT, env=environment(), check=False)
        except FileNotFoundError:
            pytest.skip("no unshare here")
        if done.returncode == 77 or done.stderr.startswith("unshare:"):
            pytest.skip(f"no file system of one's own here: {done.stderr.strip()}")
        assert done.stdout == "2\n"  # and an empty folder
        (line,) = done.stderr.splitlines()
        assert f"{tmp_path}/out" in line and "cannot be written (No space left on device)" in line
