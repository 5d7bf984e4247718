"""Where the answers go: nothing is replaced without a word, and nothing is left half-written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import ROOT, Command, environment, make_case_for, real
from tests.conftest import Folders


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
