"""The commands joined into one, and the one place where their errors become a line and an exit status."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Annotated, Final

import typer

import dgemma_ros
from dgemma_ros.cli.approve import approve
from dgemma_ros.cli.ask import ask
from dgemma_ros.cli.bench import bench
from dgemma_ros.cli.build import build
from dgemma_ros.cli.context import context
from dgemma_ros.cli.doctor.command import doctor
from dgemma_ros.cli.episodes import episodes
from dgemma_ros.cli.export import export
from dgemma_ros.cli.health import health
from dgemma_ros.cli.journal import journal
from dgemma_ros.cli.plan import plan
from dgemma_ros.cli.replay import replay
from dgemma_ros.cli.replay_plan import replay_plan
from dgemma_ros.cli.verify import verify
from dgemma_ros.cli.watch import watch
from dgemma_ros.cli.watch_bag import watch_bag
from dgemma_ros.console import terminal
from dgemma_ros.console.terminal import emit, note
from dgemma_ros.errors import DgemmaError

MISTAKE: Final = 2
INTERRUPTED: Final = 128 + 2
_NO_OUTPUT: Final = {errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG}
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer hands on click's classes, or its own copy of them

app = typer.Typer(
    name="dgemma",
    help="DiffusionGemma on a robot: camera video and tasks in, checked plans out, by a deadline.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    export,
    build,
    plan,
    replay,
    replay_plan,
    journal,
    verify,
    bench,
    doctor,
    health,
    ask,
    watch,
    watch_bag,
    context,
    approve,
    episodes,
):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        emit(f"dgemma_ros {dgemma_ros.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; the exit status.

    0 well, 1 a check that failed, 2 a mistake of the user's (one line on stderr), 130 interrupted. Anything else that
    goes wrong is a defect of ours and leaves as an exception.
    """
    try:
        status = typer.main.get_command(app).main(list(arguments), prog_name="dgemma", standalone_mode=False)
    except DgemmaError as error:
        note(str(error))
        return MISTAKE
    except _UsageError as error:
        note(_usage(error))
        return MISTAKE
    except OSError as error:
        if error.errno not in _NO_OUTPUT:
            raise
        terminal.abandon_stdout()
        note(f"the output cannot be written ({error.strerror})")
        return MISTAKE
    except MemoryError as error:
        note(f"not enough memory ({error})" if str(error) else "not enough memory")
        return MISTAKE
    except (typer.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    if status == INTERRUPTED:
        note("interrupted")
    return status if isinstance(status, int) else 0


def _usage(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "dgemma"
    message = getattr(error, "format_message", lambda: str(error))()
    return f"{' '.join(message.split()).rstrip('.')}; see `{command} --help`"
