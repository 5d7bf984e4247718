"""What docker/ says, held to the package: every path, parameter, option, executable and environment name exists."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from dgemma_ros.cli.app import app
from dgemma_ros.nodes import parameter_table
from dgemma_ros.trt import targets

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE = sorted(DOCKER.glob("compose.*.yaml"))
UNIT = DOCKER / "dgemma-planner.service"
TOOLS = Path(sys.executable).parent
TABLES = {
    name.lower(): {parameter.name: parameter for parameter in table}
    for name, table in vars(parameter_table).items()
    if name.isupper() and isinstance(table, tuple) and all(isinstance(p, parameter_table.Parameter) for p in table)
}
SHARES = ("/opt/dgemma/venv/share/dgemma_ros/", "/opt/dgemma/share/")
"""Where the unit and the images have what setup.py installs below share/dgemma_ros."""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False)


def executables() -> set[str]:
    return set(re.findall(r'"(\w+) = dgemma_ros\.', (ROOT / "setup.py").read_text()))


def services() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in COMPOSE:
        for name, service in yaml.safe_load(file.read_text())["services"].items():
            yield f"{file.stem} {name}", service


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of the recipes, defaults put in for variables."""
    for name, service in services():
        for words in (service.get("command"), service.get("healthcheck", {}).get("test", [])[1:]):
            if words:
                yield name, [with_defaults(word) for word in words if word != "/opt/dgemma/entrypoint"]
    line = re.search(r"^ExecStart=/opt/dgemma/venv/bin/(.*)$", UNIT.read_text(), re.MULTILINE)
    assert line
    yield "unit", line[1].split()
    for words in re.findall(r"CMD (\[.*\])", DOCKERFILE):
        yield "Dockerfile", [word for word in ast.literal_eval(words) if word != "/opt/dgemma/entrypoint"]


def with_defaults(text: str) -> str:
    return re.sub(r"\$\{\w+:-([^{}]*)\}", r"\1", text)


# -- by the linters ---------------------------------------------------------------------------------------------------


def test_hadolint() -> None:
    done = run(TOOLS / "hadolint", "--no-color", DOCKER / "Dockerfile")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", COMPOSE, ids=lambda file: file.name)
def test_compose_schema(file: Path, tmp_path: Path) -> None:
    check = (TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    done = run(*check, file)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(file.read_text().replace("extends:", "extend:", 1))
    assert run(*check, wrong).returncode == 1


def test_compose_itself_reads_them() -> None:
    """Where there is one: it merges what the files extend, which the schema does not look at."""
    if shutil.which("docker") is None or run("docker", "compose", "version").returncode:
        pytest.skip("no docker compose here")
    for file in COMPOSE:
        done = run("docker", "compose", "-f", file, "--profile", "*", "config", "--format", "json")
        assert done.returncode == 0 and not done.stderr, done.stderr
        merged = json.loads(done.stdout)
        assert merged["name"] == "dgemma"
        probed = {name for name, service in merged["services"].items() if "test" in service.get("healthcheck", {})}
        assert probed == {"planner"}, file


def test_only_the_planner_is_probed() -> None:
    """The image's probe asks for a planner, so that any other container would be unhealthy for ever."""
    common = yaml.safe_load((DOCKER / "compose.common.yaml").read_text())["services"]
    for name, service in common.items():
        probe = service.get("healthcheck", common["base"]["healthcheck"])
        assert probe["disable"] == (name != "planner"), name


def test_enclaves_are_those_of_the_policies() -> None:
    there = {f"/{file.name.removesuffix('.policy.xml')}" for file in (DOCKER / "security").glob("*.policy.xml")}
    named = {name: service.get("environment", {}).get("ROS_SECURITY_ENCLAVE_OVERRIDE") for name, service in services()}
    assert {name: enclave for name, enclave in named.items() if enclave} == {
        f"compose.common {node}": f"/{node}" for node in ("planner", "camera", "executor", "doctor")
    }
    assert {enclave for enclave in named.values() if enclave} <= there


def test_scripts_are_sound() -> None:
    for script in DOCKER.glob("*.sh"):
        assert os.access(script, os.X_OK), script
        assert run("bash", "-n", script).returncode == 0, script


def test_the_unit() -> None:
    """systemd-analyze, where there is one, ends well for unknown keys too: what it says counts."""
    known = set(re.findall(r"^(\w+)=", UNIT.read_text(), re.MULTILINE))
    assert {"ExecStart", "Restart", "User", "LimitRTPRIO", "ProtectSystem"} <= known
    if (tool := shutil.which("systemd-analyze")) is None:
        return
    said = run(tool, "verify", UNIT).stderr.splitlines()
    assert not [line for line in said if UNIT.name in line and "is not executable: No such file" not in line], said


# -- by the package ---------------------------------------------------------------------------------------------------


def test_there_are_commands_of_every_kind() -> None:
    words = {words[0] for _, words in commands()}
    assert {"planner", "camera", "dgemma", "hf"} <= words <= executables() | {"hf"}
    assert shutil.which("hf", path=str(TOOLS)), "huggingface_hub, which tokenizers needs, brings it"


@pytest.mark.parametrize(
    ("where", "words"), list(commands()), ids=lambda value: value if isinstance(value, str) else value[0]
)
def test_commands_name_what_exists(where: str, words: list[str]) -> None:
    if words[0] == "dgemma":
        command = typer.main.get_command(app).commands[words[1]]  # type: ignore[attr-defined]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, where
        if "--target" in words:
            assert words[words.index("--target") + 1] in targets.names(), where
    elif words[0] in TABLES:
        assert words[1] == "--ros-args"
        given = [words[number + 1].split(":=") for number, word in enumerate(words) if word == "-p"]
        assert given and {name for name, _ in given} <= TABLES[words[0]].keys(), where
        for _, value in given:
            for share in SHARES:
                assert not value.startswith(share) or shipped(value.removeprefix(share)), value


def shipped(path: str) -> bool:
    """Whether setup.py installs it below share/dgemma_ros."""
    folders = re.findall(r'\("share/dgemma_ros(?:/([\w/]+))?", (.*)\),', (ROOT / "setup.py").read_text())
    found = {
        f"{folder}/{file.name}"
        for folder, files in folders
        for p in re.findall(r'"([^"]+)"', files)
        for file in ROOT.glob(p)
    }
    return path in found or any(name.startswith(f"{path}/") for name in found)


def test_profiles_that_are_named_are_shipped() -> None:
    named = {
        name
        for file in (*COMPOSE, UNIT, ROOT / "docs" / "deploy.md")
        for share in SHARES
        for name in re.findall(rf"{share}(config/[\w.]+)", file.read_text())
    }
    assert named == {"config/fastdds_udp.xml"} and all(shipped(name) for name in named)


def test_files_that_are_copied_and_mounted_exist() -> None:
    for words in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        for source in words.split()[:-1]:
            assert (ROOT / source).exists(), source
    for name, service in services():
        for volume in service.get("volumes", []):
            source = with_defaults(volume).split(":")[0]
            assert source.startswith("/") or (DOCKER / source).is_file(), (name, source)
    for line in re.findall(r"install -D -m 644 (\S+) ", UNIT.read_text()):
        assert (ROOT / line).is_file(), line


def test_what_is_built_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in kept)
    sources = [
        word for words in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE) for word in words.split()[:-1]
    ]
    tops = {source.removeprefix("./").split("/")[0] for source in sources} - {"."}
    assert tops <= kept
    # setup.py's own lists are what an installed package needs.
    for pattern in re.findall(r'files\("([^"*]+)/', (ROOT / "setup.py").read_text()):
        assert any(pattern == name or pattern.startswith(f"{name}/") for name in kept), pattern


def test_environment_names_are_read_by_somebody() -> None:
    """Ours by the code, others by those whom we name here."""
    others = {"HOME", "HF_HOME", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "ROS_LOG_DIR", "XDG_CACHE_HOME"}
    others |= {
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES",
        "PIP_NO_CACHE_DIR",
        "PIP_DISABLE_PIP_VERSION_CHECK",
    }
    others |= {f"ROS_{name}" for name in ("DOMAIN_ID", "AUTOMATIC_DISCOVERY_RANGE")}
    others |= {f"ROS_SECURITY_{name}" for name in ("ENABLE", "STRATEGY", "KEYSTORE", "ENCLAVE_OVERRIDE")}
    named = {name for _, service in services() for name in service.get("environment", {})}
    for line in re.findall(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE):
        named |= set(re.findall(r"(\w+)=", line))
    named |= set(re.findall(r"(?:^Environment=| )([A-Z_]+)=", UNIT.read_text(), re.MULTILINE))
    used = set(re.findall(r"\$\{(\w+)", UNIT.read_text()))
    code = "\n".join(file.read_text() for file in (ROOT / "dgemma_ros").rglob("*.py"))
    for name in named - others - used:
        assert f'"{name}"' in code, name


def test_the_variants_share_their_lines() -> None:
    for file in COMPOSE:
        if file.name == "compose.common.yaml":
            continue
        for name, service in yaml.safe_load(file.read_text())["services"].items():
            assert service["extends"]["file"] == "compose.common.yaml", (file.name, name)
    common = yaml.safe_load((DOCKER / "compose.common.yaml").read_text())["services"]
    base = common["base"]
    assert base["read_only"] and base["cap_drop"] == ["ALL"] and with_defaults(base["user"]) == "10001:10001"
    assert all(service.get("extends") == {"service": "base"} for name, service in common.items() if name != "base")
    used = {name for file in COMPOSE for name in re.findall(r"\$\{(\w+)", file.read_text())}
    explained = set(
        re.findall(r"\b(?:DGEMMA|ROS)_[A-Z_]+", (DOCKER / "compose.common.yaml").read_text().split("services:")[0])
    )
    assert used <= explained | {"DGEMMA_ENGINES", "DGEMMA_TARGET"}, used - explained


def test_what_is_pinned_is_pinned() -> None:
    assert re.search(r"^ARG TENSORRT=10\.16\.\d", DOCKERFILE, re.MULTILINE)
    version = re.search(r'version="([^"]+)"', (ROOT / "setup.py").read_text())
    assert version and f"ARG VERSION={version[1]}\n" in DOCKERFILE
    assert "pip install -q -c /constraints.txt" in DOCKERFILE
    for line in re.findall(r"pip install (?!.*--no-deps)(.*)$", DOCKERFILE, re.MULTILINE):
        assert "-c /constraints.txt" in line, line
    final = DOCKERFILE.split(" AS final")[1]
    assert "apt-get install" not in final and "USER 10001:10001" in final
