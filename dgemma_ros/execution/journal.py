"""What was dispatched, and what became of it, on disk before it happens or is told: one JSON object a line.

A dispatch is written before its goal is sent, an outcome before it is told. So after a kill at any moment every
dispatch has exactly one outcome: the one that was written, or UNKNOWN. A line that the kill cut was not written.

The first line says which version of these records follows. A journal of another version is kept under another name, and
a doubt holds until a person clears it: what it says of the robot is not known here.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from dgemma_ros.errors import DgemmaError
from dgemma_ros.execution.types import Dispatch, Outcome, Result
from dgemma_ros.file_lock import open_alone
from dgemma_ros.output import name_aside

FORMAT: Final = 1
"""Of the records. A file without a first line that says so is of before there was one, and has the same records."""
KEPT_PLANS: Final = 10_000
"""Plan ids that are remembered, so that a plan that comes again is known; older ones are long past their validity."""
MAX_BYTES: Final = 64 << 20
CRASHED: Final = "crashed"


class JournalError(DgemmaError):
    """The journal cannot be kept, so nothing may be dispatched."""


class Journal:
    """One file, locked: two executors cannot share it. For one thread. Raises :class:`JournalError`."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.plans: dict[str, None] = {}
        self._open: dict[str, Dispatch] = {}
        self._untold: dict[str, Result] = {}
        self.doubt = ""
        """Why nothing may move; kept over crashes until somebody clears it."""
        self.inhibited = False
        """The last word heard, kept over crashes: whoever said `true` does not say it again for a new executor."""
        self.aside: Path | None = None
        """Where this opening put a journal of another version."""
        self._fd = open_alone(file, os.O_RDWR | os.O_APPEND, JournalError, file, "executor")
        try:
            self._load()
        except (OSError, JournalError) as error:
            self.close()
            raise JournalError(str(error) if isinstance(error, JournalError) else f"{file}: {error.strerror}") from None

    def close(self) -> None:
        """Gives the file back. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # -- what is written ----------------------------------------------------------------------------------------------

    def take(self, plan_id: str) -> None:
        """A plan was begun; its id is not taken again."""
        self._write({"plan": plan_id})
        self._remember(plan_id)

    def dispatch(self, dispatch: Dispatch) -> None:
        """A skill is about to be sent."""
        self._write({"dispatch": asdict(dispatch) | {"arguments": dict(dispatch.arguments)}})
        self._open[dispatch.dispatch_id] = dispatch

    def end(self, result: Result) -> None:
        """What became of it. Raises :class:`JournalError` for one that was not dispatched, or has ended."""
        dispatch_id = result.dispatch.dispatch_id
        if dispatch_id not in self._open:
            raise JournalError(f"dispatch {dispatch_id} has its outcome, or was never made")
        self._write({"end": dispatch_id} | _told(result))
        del self._open[dispatch_id]
        self._untold[dispatch_id] = result

    def told(self, dispatch_id: str) -> None:
        """The outcome was published."""
        self._write({"told": dispatch_id}, sync=False)
        self._untold.pop(dispatch_id, None)

    def approval(self, request_id: str, digest: str, state: str, by: str) -> None:
        """A person's answer that counts."""
        self._write({"approval": request_id, "digest": digest, "state": state, "by": by})

    def doubts(self, why: str, by: str = "") -> None:
        """Something is in doubt, or, where ``why`` is empty, ``by`` says that it is no more."""
        self._write({"doubt": why, "by": by})
        self.doubt = why

    def inhibit(self, on: bool) -> None:
        """The word to stop, or that it holds no more."""
        if on != self.inhibited:
            self._write({"inhibit": on})
            self.inhibited = on

    # -- what a crash left --------------------------------------------------------------------------------------------

    def unfinished(self) -> list[Dispatch]:
        """Dispatches without an outcome: after opening, those that a crash cut."""
        return list(self._open.values())

    def untold(self) -> list[Result]:
        """Outcomes that may not have been published."""
        return list(self._untold.values())

    def _load(self) -> None:
        whole = 0
        for line, end in self._lines():
            try:
                record = json.loads(line)
                if whole == 0 and (version := int(record.get("format", FORMAT))) != FORMAT:
                    return self._set_aside(version)
                self._replay(record)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise JournalError(f"{self.file}: byte {whole} is no record of ours; move the file away") from None
            whole = end
        if whole < os.fstat(self._fd).st_size:
            os.ftruncate(self._fd, whole)  # a kill cut the last line
        if whole == 0:
            self._write({"format": FORMAT})
        if os.fstat(self._fd).st_size > MAX_BYTES // 4:
            self._compact()

    def _set_aside(self, version: int) -> None:
        """Gives the file a second name, then puts a new one in its place, with the doubt in it from the first."""
        self.aside = name_aside(self.file, f"format-{version}")
        self.doubt = (
            f"the journal is of another version (format {version}, here {FORMAT}) and kept as {self.aside.name}: what"
            " was on its way then is not known; does the robot stand still?"
        )
        self._replace([{"doubt": self.doubt, "by": ""}])

    def _lines(self) -> Iterator[tuple[bytes, int]]:
        if os.fstat(self._fd).st_size > MAX_BYTES:
            raise JournalError(f"{self.file}: too large for a journal; move it away")
        data = os.pread(self._fd, MAX_BYTES, 0)
        start = 0
        while (stop := data.find(b"\n", start)) >= 0:
            yield data[start:stop], stop + 1
            start = stop + 1

    def _replay(self, record: dict[str, Any]) -> None:
        if "plan" in record:
            self._remember(record["plan"])
        elif "dispatch" in record:
            dispatch = Dispatch(**record["dispatch"])
            self._open[dispatch.dispatch_id] = dispatch
        elif "end" in record:
            dispatch = self._open.pop(record["end"])
            self._untold[dispatch.dispatch_id] = Result(
                dispatch, Outcome(record["outcome"]), record["reason"], record["message"], record["seconds"]
            )
        elif "told" in record:
            self._untold.pop(record["told"], None)
        elif "doubt" in record:
            self.doubt = record["doubt"]
        elif "inhibit" in record:
            self.inhibited = bool(record["inhibit"])
        elif not record.keys() & {"approval", "format"}:
            raise ValueError

    def _remember(self, plan_id: str) -> None:
        self.plans[plan_id] = None
        while len(self.plans) > KEPT_PLANS:
            del self.plans[next(iter(self.plans))]

    def _compact(self) -> None:
        """Writes what counts into a new file, in place of the old one."""
        records: list[dict[str, Any]] = [{"plan": plan} for plan in self.plans]
        records += [{"dispatch": asdict(d) | {"arguments": dict(d.arguments)}} for d in self._open.values()]
        for result in self._untold.values():
            own = result.dispatch
            records.append({"dispatch": asdict(own) | {"arguments": dict(own.arguments)}})
            records.append({"end": own.dispatch_id} | _told(result))
        self._replace([*records, {"doubt": self.doubt, "by": ""}, {"inhibit": self.inhibited}])

    def _replace(self, records: list[dict[str, Any]]) -> None:
        """A new file with these records, whole or not at all, in place of the old one; locked before it is there."""
        fresh = self.file.with_name(self.file.name + ".new")
        fd = os.open(fresh, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(fd, b"".join(map(_line, [{"format": FORMAT}, *records])))
        os.fsync(fd)
        fresh.replace(self.file)
        os.close(self._fd)
        self._fd = fd

    def _write(self, record: dict[str, Any], sync: bool = True) -> None:
        if self._fd < 0:
            raise JournalError(f"{self.file}: the journal is closed")
        try:
            opened = os.fstat(self._fd)
            if not os.path.samestat(opened, self.file.stat()):
                raise OSError(errno.ESTALE, "another file is in its place")
            line, before = _line(record), opened.st_size
            if os.write(self._fd, line) != len(line):
                os.ftruncate(self._fd, before)  # half a line would make the next one unreadable
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if sync:
                os.fsync(self._fd)
        except OSError as error:
            raise JournalError(f"{self.file}: {error.strerror}; nothing is dispatched without a journal") from None


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def _told(result: Result) -> dict[str, Any]:
    return {
        "outcome": result.outcome.value,
        "reason": result.reason,
        "message": result.message,
        "seconds": round(result.seconds, 3),
    }
