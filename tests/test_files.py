"""Files that somebody names: regular, bounded, and refused in one line."""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dgemma_ros.errors import DgemmaError, ImageError
from dgemma_ros.files import read_bytes, read_text
from dgemma_ros.skills.catalogue import SkillCatalogue, SkillsError
from dgemma_ros.yaml_files import MAX_YAML_VALUES, read_yaml


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ImageError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        began = time.monotonic()
        for name in ("pipe", "zero", "folder", "socket"):
            assert "cannot be read" in refusal(lambda name=name: read_bytes(tmp_path / name, 100, ImageError))
    assert time.monotonic() - began < 5.0  # a pipe would wait for ever
    assert "no such file; make one" in refusal(lambda: read_bytes(tmp_path / "absent", 1, ImageError, "make one"))
    assert "cannot be read" in refusal(lambda: read_bytes(Path("a\0b"), 1, ImageError))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").write_text("x")
    assert read_text(tmp_path / "link", 1, ImageError) == "x"


def test_sizes_are_looked_at_before_reading(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)  # sparse
    assert "larger than 2 KiB" in refusal(lambda: read_bytes(file, 2048, ImageError))
    file.write_bytes(b"x" * 2048)
    assert len(read_bytes(file, 2048, ImageError)) == 2048
    assert "larger than" in refusal(
        lambda: read_bytes(Path("/proc/self/maps"), 16, ImageError)
    )  # says that it is empty
    file.write_bytes(b"ab\xff")
    assert "not UTF-8 text, byte 2" in refusal(lambda: read_text(file, 10, ImageError))


def aliases(levels: int, each: int) -> str:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * each)}]" for i in range(1, levels)]
    return "\n".join(lines)


REFUSED = {
    "aliases of aliases": (aliases(9, 9), f"more than {MAX_YAML_VALUES} values"),
    "merged merges": (
        "a0: &a0 {x: 1}\n" + "\n".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 9)),
        f"more than {MAX_YAML_VALUES} values",
    ),
    "itself": ("a: &a [*a]", "contains itself"),
    "deep": ("[" * 5000, "nested too deeply"),
    "digits": ("a: " + "9" * 5000, "line 1: '9"),
    "hexadecimal": ("a:\n  0x" + "f" * 5000, "line 2: '0x"),
    "python": ("a: !!python/object/apply:os.system [ls]", "line 1: could not determine a constructor"),
    "binary": ("a: !!binary aGVsbG8=", "line 1: could not determine a constructor"),
    "date by tag": ("a: !!timestamp 2020-01-01", "line 1: could not determine a constructor"),
    "number by tag": ("a: !!int x", "line 1: 'x' is not a number"),
    "half": ("a: [", "line 1"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_yaml_that_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(lambda: read_yaml(tmp_path / "file.yaml", ImageError))
    assert message.startswith(f"{tmp_path / 'file.yaml'}: ") and said in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_yaml_holds_json_and_words(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text("a: &a {b: 1.5, c: [0x10, no, ~]}\nd: {<<: *a, e: 2020-01-01}\n")
    assert read_yaml(file, ImageError) == {
        "a": {"b": 1.5, "c": [16, False, None]},
        "d": {"b": 1.5, "c": [16, False, None], "e": "2020-01-01"},
    }


@given(text=st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@,? \n0x.~<"), max_size=80))
def test_any_text_is_yaml_or_refused_in_a_line(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_text(text)
    try:
        read_yaml(file, ImageError)
    except ImageError as error:
        assert "\n" not in str(error)


def test_a_skills_file_of_dates_and_aliases(tmp_path: Path) -> None:
    file = tmp_path / "skills.yaml"
    file.write_text("skills:\n  - {name: a, description: 2020-01-01}\n")
    assert SkillCatalogue.load(file).skills["a"].description == "2020-01-01"
    file.write_text(aliases(9, 9))
    with pytest.raises(SkillsError, match="more than"):
        SkillCatalogue.load(file)
    assert issubclass(SkillsError, DgemmaError)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_stays_one(tmp_path: Path) -> None:
    """Whenever an exception comes out of a signal, the file is closed once, and nothing takes the exception's place."""
    file = tmp_path / "file"
    file.write_bytes(b"content")
    came: list[BaseException] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(600):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number % 60))
                for _ in range(1000):  # one that comes in a destructor is lost
                    read_bytes(file, 100, DgemmaError)
            except BaseException as error:
                came.append(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert {type(error) for error in came} == {KeyboardInterrupt}
