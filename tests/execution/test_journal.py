"""The journal: cut at any byte it opens again, and what was dispatched has one outcome."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.execution.journal import Journal, JournalError
from dgemma_ros.execution.types import Dispatch, Outcome, Result


def dispatch(number: int) -> Dispatch:
    return Dispatch(f"d{number}", "t", "p", number, 1, "pick", {"object": "näh ☃\n"})


@given(
    st.lists(st.sampled_from(["dispatch", "end", "told", "plan", "doubt", "inhibit"]), max_size=20),
    st.integers(0, 3000),
)
@settings(max_examples=100, deadline=None)
def test_a_cut_anywhere_loses_only_what_was_not_written(deeds: list[str], cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "deep" / "journal.jsonl"
        journal = Journal(file)
        number = 0
        for deed in deeds:
            if deed == "dispatch":
                number += 1
                journal.dispatch(dispatch(number))
            elif deed == "end" and journal.unfinished():
                journal.end(Result(journal.unfinished()[0], Outcome.FAILED, "slipped", "", 1.5))
            elif deed == "told" and journal.untold():
                journal.told(journal.untold()[0].dispatch.dispatch_id)
            elif deed == "plan":
                journal.take(f"p{number}")
            elif deed == "doubt":
                journal.doubts("?" if not journal.doubt else "", "me")
            elif deed == "inhibit":
                journal.inhibit(not journal.inhibited)
        state = (journal.unfinished(), journal.untold(), list(journal.plans), journal.doubt, journal.inhibited)
        journal.close()
        again = Journal(file)
        assert (again.unfinished(), again.untold(), list(again.plans), again.doubt, again.inhibited) == state
        again.close()
        whole = file.read_bytes()
        file.write_bytes(whole[: min(cut, len(whole))])
        again = Journal(file)
        ids = {d.dispatch_id for d in again.unfinished()} | {r.dispatch.dispatch_id for r in again.untold()}
        assert len(ids) == len(again.unfinished()) + len(again.untold())
        again.take("after")
        again.close()
        last = Journal(file)
        assert "after" in last.plans and ids == {d.dispatch_id for d in last.unfinished()} | {
            r.dispatch.dispatch_id for r in last.untold()
        }
        last.close()


def test_one_outcome_each_and_one_executor_each(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.dispatch(dispatch(1))
    journal.end(Result(dispatch(1), Outcome.SUCCEEDED))
    with pytest.raises(JournalError, match="has its outcome"):
        journal.end(Result(dispatch(1), Outcome.FAILED))
    with pytest.raises(JournalError, match="another executor keeps it"):
        Journal(tmp_path / "j")
    journal.close()
    with pytest.raises(JournalError, match="is closed"):
        journal.take("p")


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("dear diary\n")
    for _ in range(2):  # the file is given back
        with pytest.raises(JournalError, match="no record of ours"):
            Journal(tmp_path / "j")
    assert (tmp_path / "j").read_text() == "dear diary\n"
    with pytest.raises(JournalError, match="cannot be written"):
        Journal(Path("/proc/nowhere/j"))


def test_one_of_another_version_is_kept_aside_and_leaves_a_doubt(tmp_path: Path) -> None:
    file, later = tmp_path / "j", '{"format": 2}\n{"sent": "something that this version does not know"}\n'
    for kept in ("j.format-2", "j.format-2.1"):
        file.write_text(later)
        journal = Journal(file)
        assert journal.aside == tmp_path / kept and journal.aside.read_text() == later
        assert kept in journal.doubt and "does the robot stand still?" in journal.doubt
        journal.take("p")
        journal.close()
        again = Journal(file)
        assert again.aside is None and again.doubt == journal.doubt and list(again.plans) == ["p"]
        again.doubts("", "me")
        again.close()
        last = Journal(file)
        assert last.doubt == "" and list(last.plans) == ["p"]
        last.close()
    with pytest.raises(JournalError, match="no record of ours"):
        file.write_text('{"format": "two"}\n')
        Journal(file)


def test_one_of_before_versions_were_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "j"
    journal = Journal(file)
    journal.dispatch(dispatch(1))
    journal.close()
    first, rest = file.read_text().split("\n", 1)
    assert json.loads(first) == {"format": 1}
    file.write_text(rest)
    old = Journal(file)
    assert old.unfinished() == [dispatch(1)] and old.aside is None
    old.close()


def test_a_large_journal_is_compacted_and_means_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "j")
    for number in range(50):
        journal.take(f"p{number}")
        journal.dispatch(dispatch(number))
        if number % 3:
            journal.end(Result(dispatch(number), Outcome.FAILED, "slipped"))
        if number % 3 == 2:
            journal.told(f"d{number}")
    journal.doubts("?")
    state = (journal.unfinished(), journal.untold(), list(journal.plans), journal.doubt)
    size = (tmp_path / "j").stat().st_size
    journal.close()
    monkeypatch.setattr("dgemma_ros.execution.journal.MAX_BYTES", size + 1)
    again = Journal(tmp_path / "j")
    assert (tmp_path / "j").stat().st_size < size
    assert (again.unfinished(), again.untold(), list(again.plans), again.doubt) == state
    again.take("more")
    again.close()
    last = Journal(tmp_path / "j")
    assert "more" in last.plans
