"""Tiny checkpoints, made and opened once a session; nothing is written into the user's cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from dgemma_ros.graphs.export import export
from dgemma_ros.model import Model, open_model
from dgemma_ros.planning import Settings, SkillCatalogue
from dgemma_ros.planning.budget import StepTimes
from tests.desk import SKILLS, Desk, write_model
from tests.tiny import TINIES, Tiny, make

Folders = Callable[[str | Tiny], Path]
Models = Callable[[str | Tiny], Model]

# How long one example takes says how busy the machine is, and nothing of the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """XDG_CACHE_HOME, for this process and those it starts."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setitem(os.environ, "XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A test's own cache of exports; the folder is there once something was opened."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "dgemma_ros" / "exports"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folder of a tiny checkpoint, by its name in ``TINIES`` or as it is. Not to be written to."""
    made: dict[Tiny, Path] = {}

    def folder(tiny: str | Tiny) -> Path:
        label, tiny = (tiny, TINIES[tiny]) if isinstance(tiny, str) else ("tiny", tiny)
        if tiny not in made:
            made[tiny] = make(tmp_path_factory.mktemp(label), tiny)
        return made[tiny]

    return folder


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, checkpoint: Folders) -> Folders:
    """The folder that `dgemma export` makes of a tiny checkpoint. Not to be written to."""
    made: dict[Path, Path] = {}

    def folder(tiny: str | Tiny) -> Path:
        source = checkpoint(tiny)
        if source not in made:
            made[source] = export(source, tmp_path_factory.mktemp("exported") / source.name)
        return made[source]

    return folder


@pytest.fixture(scope="session")
def opened(checkpoint: Folders) -> Models:
    """A tiny checkpoint opened as a model, with one thread. Sequences of it share nothing but the session."""
    made: dict[Path, Model] = {}

    def model(tiny: str | Tiny) -> Model:
        folder = checkpoint(tiny)
        if folder not in made:
            made[folder] = open_model(folder, threads=1)
        return made[folder]

    return model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """With a vision tower, vocabulary of about 700, canvases of 64."""
    folder = tmp_path_factory.mktemp("planning")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        return open_model(write_model(folder / "tiny"), threads=1)


@pytest.fixture(scope="session")
def skills() -> SkillCatalogue:
    return SkillCatalogue.of(SKILLS)


@pytest.fixture
def desks(model: Model, skills: SkillCatalogue) -> Iterator[Callable[..., Desk]]:
    """Makes started planners, and closes them."""
    made: list[Desk] = []

    def make(start: bool = True, times: StepTimes | None = None, **settings: Any) -> Desk:
        chosen = {"frame_rate": 1000.0, **settings}
        desk = Desk(model, skills, Settings(**chosen), times=times)
        made.append(desk)
        if start:
            desk.planner.start()
        return desk

    yield make
    for desk in made:
        desk.planner.close()
