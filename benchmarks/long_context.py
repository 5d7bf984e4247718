"""A long context: what a frame, forgetting one, and a denoising step cost from 1,000 to 262,144 tokens.

Frames are of 66 tokens, as the released model's. The caches are filled by putting exported rows back, which costs no
reading. Beside it, computed: what the released 26B keeps and must read at least at that length, on a Jetson Thor; and
the same session with rows moved and with all read again, on the nano checkpoint.

``python -m benchmarks.long_context --svg FILE`` draws the first table.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.console import Console

from benchmarks.cache_append import TINY
from benchmarks.curve import Line, picture
from benchmarks.table import Table
from dgemma_ros.checkpoint.config import LayerKind, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.checkpoint.traffic import step_traffic
from dgemma_ros.context.log import Log
from dgemma_ros.context.mirror import READ_AGAIN, CacheMirror
from dgemma_ros.context.prompt import make_pieces
from dgemma_ros.context.segments import FrameSegment
from dgemma_ros.context.types import Frame
from dgemma_ros.model import Model, open_model
from dgemma_ros.runtime.rows import Rows
from dgemma_ros.runtime.sequence import Sequence
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.trt import profiles, targets
from tests.tiny import make

FRAME, SYSTEM, MINUTE = 66, 512, 60
LENGTHS = (1_024, 8_192, 65_536, 262_144)
ROOT = Path(__file__).resolve().parents[1]
NANO = ROOT / "engines" / "nano"
COLUMNS = (
    "tokens",
    "step ms",
    "read a frame ms",
    "forget one a minute old ms",
    "forget the oldest ms",
    "longest unit ms",
    "cache MB",
    "26B: cache GB",
    "26B on Thor: step ms, at least",
)


def run(quick: bool = False) -> Table:
    """Milliseconds, medians but for the longest unit, and what is computed of the 26B."""
    table = Table(
        "A long context",
        COLUMNS,
        notes=[
            "one thread; 2 sliding layers of window 64 and 2 full layers, canvas 256, float32; a frame is 66 tokens",
            "longest unit: of all that a task may have to wait for, shifting all positions and growing the buffers "
            "among it",
            *against_reading_again(quick),
        ],
    )
    checkpoint = make(
        Path(tempfile.mkdtemp(prefix="dgemma-long-")) / "checkpoint", TINY.with_(positions=1 << 19, canvas=256)
    )
    model = open_model(checkpoint, threads=1)
    for length in LENGTHS[: 3 if quick else 4]:
        table.rows.append(
            (length, *(round(value, 2) for value in measured(model, length, 3 if quick else 9)), *of_26b(length))
        )
        gc.collect()
    return table


def measured(model: Model, length: int, rounds: int) -> Iterator[float]:
    """What the columns of a row say, in order."""
    sequence = filled(model, length - FRAME)
    soft = np.random.default_rng(1).standard_normal((FRAME - 2, model.config.text.hidden_size)).astype(np.float32)
    ids, types = np.zeros(FRAME, np.int64), np.ones(FRAME, np.int64)
    types[[0, -1]] = 0
    read, step, recent, oldest, other = [], [], [], [], []
    for _ in range(rounds):
        read.append(milliseconds(partial(sequence.append, ids, types, soft)))
        canvas = sequence.open_canvas({})
        canvas.step({})
        step.append(min(milliseconds(partial(canvas.step, {})) for _ in range(2)))
        behind = min(MINUTE * FRAME, sequence.length - SYSTEM - FRAME)
        recent.append(milliseconds(partial(sequence.evict, sequence.length - behind - FRAME, FRAME)))
        read.append(milliseconds(partial(sequence.append, ids, types, soft)))
        oldest.append(milliseconds(partial(sequence.evict, SYSTEM, FRAME)))
    other.append(milliseconds(partial(sequence.shift, SYSTEM, -sequence.gap(SYSTEM))))
    capacity = sequence.cache.capacity(LayerKind.FULL)
    other.append(milliseconds(partial(sequence.cache.resize, LayerKind.FULL, capacity * 9 // 8, sequence.length)))
    yield from (float(np.median(times)) for times in (step, read, recent, oldest))
    yield max(*read, *recent, *oldest, *other)
    yield sequence.cache.nbytes / 1e6


def filled(model: Model, length: int) -> Sequence:
    """A sequence of so many tokens, of which a block was read and put back again and again."""
    sequence = Sequence(model.session, chunk=512)
    sequence.append(np.arange(SYSTEM) % model.config.text.vocab_size)
    block = sequence.export_rows(0, SYSTEM)
    while (left := length - sequence.length) > 0:
        rows = block.part(0, min(left, SYSTEM))
        by = sequence.length
        sequence.restore_rows(Rows(rows.orders + by, rows.positions + by, rows.values))
    return sequence


def of_26b(length: int) -> tuple[float, float]:
    """Gigabytes of its cache, and the least milliseconds of a step: its bytes over Thor's bandwidth."""
    config, thor = read_config(Section.of_file(ROOT / "tests" / "data" / "config-26b.json")), targets.load("thor")
    size = profiles.cache_bytes(config, length, config.text.sliding_window)
    traffic = step_traffic(config, length, "bfloat16", "nvfp4", cache="bfloat16")
    return round(size / 1e9, 2), round(1e3 * traffic.total / thor.bandwidth, 1)


def against_reading_again(quick: bool) -> list[str]:
    """How long a task waits behind a frame, at worst, where each makes another go: rows moved, and all read again."""
    model, skills = open_model(NANO, threads=1), SkillCatalogue.load(NANO / "skills.yaml")
    notes = []
    for frames in (50, 300)[: 1 if quick else 2]:
        waits = {}
        for word, again in (("moved", READ_AGAIN), ("read again", 1 << 40)):
            log = Log()
            mirror = CacheMirror(model, log, make_pieces(model.chat, skills), read_again=0)
            mirror.ready()
            for number in range(frames):
                log.append(shown(model, number))
            times = []
            for number in range(frames, frames + (3 if quick else 10 if again > READ_AGAIN else 50)):
                times.append(milliseconds(partial(one_frame, log, mirror, shown(model, number), again)))
            waits[word] = f"{np.median(times):.1f} ms, at most {max(times):.1f}, {word}"
        tokens = mirror.sequence.length
        task = milliseconds(partial(mirror.begin, "put the red block in the left tray"))
        notes.append(
            f"nano, {frames} frames, {tokens} tokens: a task waits for a frame {' and '.join(waits.values())}; its own "
            f"words take {task:.1f} ms"
        )
    return notes


def one_frame(log: Log, mirror: CacheMirror, frame: FrameSegment, again: int) -> None:
    """The oldest goes, and the frame comes."""
    log.evict({log.segments[0].id})
    if again > READ_AGAIN:
        mirror.refresh()
    log.append(frame)


def shown(model: Model, number: int) -> FrameSegment:
    """A frame of nano's size."""
    soft = np.random.default_rng(number).standard_normal((24, model.config.text.hidden_size)).astype(np.float32)
    frame = Frame(np.empty((0, 0, 3), np.uint8), number * 10**9, "front", "", float(number))
    return FrameSegment(frame=frame, label=f"{number // 60:02d}:{number % 60:02d}", soft=soft)


def milliseconds(call: Callable[[], object]) -> float:
    """Of one call."""
    begun = perf_counter()
    call()
    return 1e3 * (perf_counter() - begun)


def drawn(table: Table) -> str:
    """What each unit takes of a denoising step's time, against the tokens."""
    lines = []
    for name, column in (("read a frame", 2), ("forget the oldest", 4), ("forget one a minute old", 3)):
        points = [(float(str(row[0])), min(1.0, float(str(row[column])) / float(str(row[1])))) for row in table.rows]
        lines.append(Line(name, points))
    return picture([("tokens in the context", lines)], "time, as a share of a denoising step")


def main() -> None:
    """Prints the table, and draws it where that is asked for."""
    from benchmarks.__main__ import show

    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_context", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds, and no more than 65,536 tokens")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="the picture")
    given = parser.parse_args()
    table = run(given.quick)
    show(Console(width=200), table)
    if given.svg:
        given.svg.write_text(drawn(table))


if __name__ == "__main__":
    main()
