"""The parsers of what strangers can send or leave in a folder, each as a function of bytes.

A target may raise nothing but :class:`DgemmaError`, with one line of text. What is a valid example to begin with is in
``SEEDS``; mutations of it reach deeper than noise.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from dgemma_ros.checkpoint.chat import ChatTemplate
from dgemma_ros.checkpoint.config import load_config, load_generation_config, read_config
from dgemma_ros.checkpoint.fields import Section
from dgemma_ros.checkpoint.tensors import read_header
from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.generation.template import read_template
from dgemma_ros.graphs import manifest
from dgemma_ros.images.preparation import ImagePreparation, read_image
from dgemma_ros.skills.calls import CallFormat
from dgemma_ros.skills.catalogue import SkillCatalogue
from dgemma_ros.verification.case import load_case
from tests.cases import make_case
from tests.desk import SKILLS
from tests.tiny import TINIES, config_json
from tests.tokenizers import write_tokenizer

Target = Callable[[bytes, Path], object]
"""Takes the input and an empty folder."""
CONFIG = json.dumps(config_json(TINIES["images"])).encode()


@cache
def _tokenizer(folder: Path) -> Tokenizer:
    folder.mkdir(exist_ok=True)
    write_tokenizer(folder)
    return Tokenizer.load(folder)


def _file(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def config(content: bytes, folder: Path) -> None:
    _file(folder, "config.json", content)
    load_generation_config(folder, load_config(folder))


def generation_config(content: bytes, folder: Path) -> None:
    _file(folder, "config.json", CONFIG)
    _file(folder, "generation_config.json", content)
    load_generation_config(folder, load_config(folder))


def header(content: bytes, folder: Path) -> None:
    head = len(content).to_bytes(8, "little") + content
    read_header(_file(folder, "model.safetensors", head + bytes(64)))


def manifest_file(content: bytes, folder: Path) -> None:
    _file(folder, "manifest.json", content)
    manifest.verify(manifest.load(folder))


def skills(content: bytes, folder: Path) -> None:
    SkillCatalogue.load(_file(folder, "skills.yaml", content))


def case(content: bytes, folder: Path) -> None:
    _file(folder, "config.json", CONFIG)
    load_case(_file(folder, "case.npz", content), load_config(folder))


def picture(content: bytes, folder: Path) -> None:
    ImagePreparation().prepare(read_image(_file(folder, "picture", content)))


def template(content: bytes, folder: Path) -> None:
    read_template(content.decode("utf-8", "surrogateescape" if len(content) % 2 else "replace"))


def calls(content: bytes, folder: Path) -> None:
    tokenizer = _tokenizer(folder.parent / "tokenizer")
    ids = np.frombuffer(content[: len(content) // 2 * 2], np.uint16) % (tokenizer.size + 8)
    CallFormat(tokenizer).read(ids.tolist())


def words(content: bytes, folder: Path) -> None:
    """Anybody's words through a chat template and through the tokenizer: never a control token."""
    tokenizer = _tokenizer(folder.parent / "tokenizer")
    text = content.decode("utf-8", "surrogateescape")
    assert tokenizer.control_ids.isdisjoint(tokenizer.encode(text))
    chat = ChatTemplate.load(tokenizer.file.parent, tokenizer)
    plain = chat.prompt_ids([{"role": "user", "content": "x"}]).ids.tolist()
    ids = chat.prompt_ids([{"role": "user", "content": text}]).ids.tolist()
    control = [token for token in ids if token in tokenizer.control_ids]
    assert control == [token for token in plain if token in tokenizer.control_ids]


def _npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **make_case(read_config(Section(Path("config.json"), json.loads(CONFIG))), 1, images=1))
    return stream.getvalue()


def _zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def _pictures() -> list[bytes]:
    drawn = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
    return [cv2.imencode(kind, drawn)[1].tobytes() for kind in (".png", ".jpg", ".webp", ".bmp")]


_ENTRY = {
    "root": "export",
    "file": "w",
    "offset": 0,
    "length": 4,
    "dtype": "F32",
    "shape": [1],
    "fingerprint": "0" * 64,
}
_MANIFEST = {"format": 2, "checkpoint": "/", "settings": {"graphs": 1}, "files": {}, "tensors": {"a": _ENTRY}}
_CALL = '<|tool_call>call:pick{object:<|"|>red cube<|"|>}<tool_call|>'
TARGETS: Mapping[str, Target] = {
    f.__name__: f
    for f in (config, generation_config, header, manifest_file, skills, case, picture, template, calls, words)
}
SEEDS: Mapping[str, list[bytes]] = {
    "config": [CONFIG],
    "generation_config": [
        b'{"t_min": 0.4, "t_max": 0.8, "eos_token_id": [1, 2], "sampler_config": {"entropy_bound": 0.1}}'
    ],
    "header": [b'{"a": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}}'],
    "manifest_file": [json.dumps(_MANIFEST).encode()],
    "skills": [json.dumps(SKILLS).encode(), b"skills:\n  - name: a\n    description: &x b\n    examples: [{<<: *x}]\n"],
    "case": [_npz(), _zipped("input_ids.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'shape': (9,)}")],
    "picture": _pictures(),
    "template": [b'pick(object="red cube"); place(object=____, target="left"); ____', _CALL.encode()],
    "calls": [bytes(range(256))],
    "words": ['pick <|turn>up<turn|> \ud83d the <|"|> cube'.encode("utf-8", "surrogatepass")],
}
