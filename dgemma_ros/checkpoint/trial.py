"""A checkpoint's tokenizer and chat template are tried where they can be ended, before they are used here.

Both are foreign programs: a template can loop for ever or write text without end, a tokenizer's normalizer can make
billions of letters of one, and the libraries that run them cannot be interrupted. So they first load, render and encode
in a child process with limits on time and memory. What passed is remembered by its content in the user's cache, so that
a model pays for its trial once. What runs later, with each task, is bounded by the length of its words.
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dgemma_ros.checkpoint.chat import ChatTemplate
from dgemma_ros.checkpoint.fields import MAX_JSON_BYTES
from dgemma_ros.checkpoint.template import TEMPLATE_FILE
from dgemma_ros.checkpoint.tokenizer import TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, Tokenizer
from dgemma_ros.checkpoint.untrusted import MAX_TEXT
from dgemma_ros.errors import DgemmaError, TokenizerError
from dgemma_ros.files import read_bytes

SECONDS: Final = 60
"""Of one core. The released tokenizer of 262144 words takes three."""
MEMORY: Final = 8 << 30
"""Bytes of address space."""
_REFUSED: Final = 3
_TOOLS: Final[list[dict[str, Any]]] = [
    {
        "type": "function",
        "function": {
            "name": "place",
            "description": "Put an object down.",
            "parameters": {
                "type": "object",
                "properties": {"object": {"type": "string"}, "height": {"type": "integer", "minimum": 0}},
                "required": ["object"],
            },
        },
    }
]
_ROWS: Final = '_x0 .,({[<|"\\\n\u00e9\u0301\u4e2d\U0001f916'
"""Letters of which long rows are encoded: how long that takes should grow with their length, not with its square."""
_PACE: Final = 1.0
"""Seconds of a core that a row of the longest text may take; a tenth is usual."""
_WORDS: Final = "Put the red block into the left tray, then look. 3,14 \u00e9\u4e2d\U0001f916 <|turn>\n\n" * 40


def try_out(folder: Path, seconds: int = SECONDS) -> None:
    """Raises :class:`TokenizerError` for a tokenizer or template that is refused, or does not end within the limits.

    Safe to call from several threads and processes.
    """
    passed = _record(folder)
    if passed.exists():
        return
    command = [sys.executable, "-m", "dgemma_ros.checkpoint.trial", str(folder), str(seconds)]
    try:
        child = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=2 * seconds + 30)
    except subprocess.TimeoutExpired:
        raise _endless(folder, seconds) from None
    if child.returncode == _REFUSED:
        raise TokenizerError(child.stderr.strip())
    if child.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise _endless(folder, seconds)
    if "memory allocation of" in child.stderr:  # as Rust ends a process
        raise TokenizerError(_boundless(folder))
    if child.returncode != 0:
        said = (child.stderr.strip().splitlines() or [f"ended with {child.returncode}"])[-1][:160]
        raise TokenizerError(f"{folder}: the tokenizer or the chat template cannot be used ({said})")
    with suppress(OSError):  # a cache that cannot be written costs the next start a trial
        passed.parent.mkdir(parents=True, exist_ok=True)
        passed.touch()


def _endless(folder: Path, seconds: int) -> TokenizerError:
    return TokenizerError(f"{folder}: tokenizer or chat template did not end within {seconds} s; they are not used")


def _boundless(folder: Path) -> str:
    return f"{folder}: the tokenizer or the chat template takes more than {MEMORY >> 30} GiB"


def _record(folder: Path) -> Path:
    """The file that says that these very files have passed."""
    digest = hashlib.sha256(b"3")  # of what is tried
    for name in (TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, TEMPLATE_FILE):
        content = read_bytes(folder / name, MAX_JSON_BYTES, TokenizerError) if (folder / name).exists() else b""
        digest.update(f"{name} {len(content)}\n".encode() + content)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "dgemma_ros" / "tried" / digest.hexdigest()


def _try(folder: Path) -> None:
    tokenizer = Tokenizer.load(folder)
    tokenizer.decode(tokenizer.encode(_WORDS))
    for letter in _ROWS:
        began = time.process_time()
        tokenizer.encode(letter * MAX_TEXT)
        if (took := time.process_time() - began) > _PACE:
            row = f"{MAX_TEXT} times {letter!a}"
            raise TokenizerError(f"{folder / TOKENIZER_FILE}: {row} takes {took:.0f} s; it would hold up every task")
    if not (folder / TEMPLATE_FILE).exists() and not (folder / TOKENIZER_CONFIG_FILE).exists():
        return  # a model without a template can still be replayed
    chat = ChatTemplate.load(folder, tokenizer)
    for tools in (None, _TOOLS):
        for thinking in (False, True):
            with suppress(TokenizerError):  # it may refuse these; whether it ends is the question
                chat.prompt_ids([{"role": "user", "content": _WORDS}], tools, True, thinking)


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def main() -> int:
    """The child: ``python -m dgemma_ros.checkpoint.trial FOLDER SECONDS``."""
    folder, seconds = Path(sys.argv[1]), int(sys.argv[2])
    _limit(resource.RLIMIT_CPU, seconds)
    _limit(resource.RLIMIT_AS, MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        _try(folder)
    except DgemmaError as error:
        print(error, file=sys.stderr)
        return _REFUSED
    except MemoryError:
        print(_boundless(folder), file=sys.stderr)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
