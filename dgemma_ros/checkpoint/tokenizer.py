"""Text to token ids and back, with the checkpoint's own tokenizer.json.

A control token (``<|turn>``, ``<|tool_call>`` …) steers the model, so it may come only from us: from the chat template
or from code that says ``trusted=True``. Text from anywhere else is encoded with control tokens disabled, and
``<|turn>`` typed by a stranger becomes the harmless letters that it is written with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import tokenizers

from dgemma_ros.checkpoint.fields import MAX_JSON_BYTES, Section
from dgemma_ros.errors import CheckpointError, TokenizerError, one_line
from dgemma_ros.files import read_text

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one text at a time needs no threads of the library's own

TOKENIZER_FILE: Final = "tokenizer.json"
TOKENIZER_CONFIG_FILE: Final = "tokenizer_config.json"

_DEFAULT_NAMES: Final = {
    "pad_token": "<pad>",
    "eos_token": "<eos>",
    "bos_token": "<bos>",
    "unk_token": "<unk>",
    "boi_token": "<|image>",
    "image_token": "<|image|>",
    "eoi_token": "<image|>",
}
"""What this family calls them, where tokenizer_config.json does not say."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_IMAGE_NAMES: Final = ("boi_token", "image_token", "eoi_token")
_NAME_TABLES: Final = ("extra_special_tokens", "model_specific_special_tokens")
_NAMELESS_LISTS: Final = ("extra_special_tokens", "additional_special_tokens")


@dataclass(frozen=True)
class ImageTokens:
    """Ids around and in a picture's place in the prompt: ``begin``, then ``soft`` once a soft token, then ``end``."""

    begin: int
    soft: int
    end: int

    def span(self, soft_tokens: int) -> list[int]:
        """The ids of one picture's place; type ids are 1 on all but the first and the last."""
        return [self.begin, *[self.soft] * soft_tokens, self.end]


@dataclass(frozen=True, eq=False)
class Tokenizer:
    """One checkpoint's tokenizer. All methods are pure and safe to call from several threads at once.

    The library switches control tokens off by a mutable property of its object. Two objects, one of each kind, keep
    concurrent callers out of each other's way, at about 100 MB for the second one at the full vocabulary.
    """

    file: Path
    names: Mapping[str, str]
    """Special tokens by role, e.g. ``bos_token``: what chat templates refer to."""
    control_ids: frozenset[int] = field(repr=False)
    """Ids that untrusted text never yields (the unknown token apart, where the model has no bytes to fall back to)."""
    images: ImageTokens | None
    """None for a text-only tokenizer."""
    _trusted: Any = field(repr=False)  # the library prints its whole vocabulary
    _plain: Any = field(repr=False)
    _forbidden: frozenset[int] = field(repr=False)
    vocabulary: int = 1 << 32
    """Of the model: an id that is not below it is refused where text gives one."""

    @classmethod
    def load(cls, folder: Path, vocabulary: int = 1 << 32) -> Tokenizer:
        """The tokenizer of the checkpoint in ``folder``. Raises :class:`TokenizerError` naming file and field."""
        file = Path(folder) / TOKENIZER_FILE
        text = read_text(file, MAX_JSON_BYTES, TokenizerError, "is this a checkpoint folder?")
        trusted, plain = _parse(file, text), _parse(file, text)
        names, nameless = _read_names(Path(folder) / TOKENIZER_CONFIG_FILE)
        # As the reference does: what the configuration names is special, whatever tokenizer.json says of it.
        special = [t for t in sorted({*names.values(), *nameless}) if trusted.token_to_id(t) is not None]
        for one in (trusted, plain):
            one.add_special_tokens([tokenizers.AddedToken(t, normalized=False, special=True) for t in special])
        plain.encode_special_tokens = True
        control = frozenset(i for i, token in trusted.get_added_tokens_decoder().items() if token.special)
        names = {name: token for name, token in names.items() if token in special}
        # A word-level vocabulary writes every unknown word so: the one special token that is harmless.
        unknown = [names.get("unk_token"), getattr(trusted.model, "unk_token", None)]
        forbidden = control - {trusted.token_to_id(token) for token in unknown if token}
        pictures = [trusted.token_to_id(names.get(name, _DEFAULT_NAMES[name])) for name in _IMAGE_NAMES]
        images = None if None in pictures else ImageTokens(*pictures)
        return cls(file, MappingProxyType(names), control, images, trusted, plain, forbidden, vocabulary)

    @property
    def size(self) -> int:
        """How many tokens there are; ids are below this unless the vocabulary has holes."""
        return int(self._trusted.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str, trusted: bool = False) -> list[int]:
        """Token ids of ``text``, with no begin-of-text token put before it.

        ``trusted`` text may contain control tokens: for our own words only. Otherwise no id is in ``control_ids``.
        Pieces encoded one by one equal the whole only where the cut lies next to a control token.
        """
        text = _valid(text)
        return list(self._encoded(self._trusted, text).ids) if trusted else self._encode_plain(text)

    def encode_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Trusted ``text`` as ids, with the [start, end) characters that each id stands for."""
        encoding = self._encoded(self._trusted, _valid(text))
        return list(encoding.ids), list(encoding.offsets)

    def decode(self, ids: Iterable[int], skip_special: bool = False) -> str:
        """The text of ``ids``; ``skip_special`` leaves control tokens out. Unknown ids give nothing."""
        return str(self._trusted.decode([int(i) for i in ids], skip_special_tokens=skip_special))

    def id(self, token: str) -> int:
        """The id of ``token`` as the vocabulary spells it, e.g. ``<turn|>``. Raises :class:`TokenizerError`."""
        found = self._trusted.token_to_id(token)
        if found is None:
            raise TokenizerError(f"{self.file}: has no token {token!r}")
        return int(found)

    def token(self, token_id: int) -> str:
        """The vocabulary's spelling of ``token_id``. Raises :class:`TokenizerError`."""
        found = self._trusted.id_to_token(int(token_id)) if 0 <= token_id < 1 << 32 else None
        if found is None:
            raise TokenizerError(f"{self.file}: has no token with id {token_id}")
        return str(found)

    def _encoded(self, tokenizer: Any, text: str) -> Any:
        try:
            # A batch of one: only for batches does the library let other threads run meanwhile.
            encoding = tokenizer.encode_batch([text], add_special_tokens=False)[0]
        except Exception as error:  # the library raises Exception itself, for a vocabulary without its unknown token
            raise TokenizerError(f"{self.file}: cannot encode ({one_line(error)})") from error
        if (most := max(encoding.ids, default=0)) >= self.vocabulary:
            known = f"and the model's vocabulary (vocab_size in config.json) ends at {self.vocabulary}"
            raise TokenizerError(f"{self.file}: {self.token(most)!r} has the id {most}, {known}")
        return encoding

    def _encode_plain(self, text: str) -> list[int]:
        encoding = self._encoded(self._plain, text)
        if self._forbidden.isdisjoint(encoding.ids):
            return list(encoding.ids)
        # With control tokens disabled, a word-level vocabulary still finds "<|turn>" as a word. Letter by letter it
        # cannot; a letter that is a control token by itself is left out.
        ids: list[int] = []
        for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if token not in self._forbidden:
                ids.append(token)
                continue
            for letter in text[start:end]:
                single = self._plain.encode(letter, add_special_tokens=False).ids
                ids += [i for i in single if i not in self._forbidden]
        return ids


def _parse(file: Path, text: str) -> Any:
    try:
        parsed = tokenizers.Tokenizer.from_str(text)
    except BaseException as error:  # the library panics on some damage, and a panic is not an Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise TokenizerError(f"{file}: not a tokenizer ({one_line(error)}); download it again") from error
    # Saved with some tokenizers, and never wanted: they would cut or pad prompts in silence.
    parsed.no_truncation()
    parsed.no_padding()
    return parsed


def _read_names(path: Path) -> tuple[dict[str, str], list[str]]:
    """Special tokens with and without a role, from tokenizer_config.json in any form that transformers has written."""
    names: dict[str, str] = dict(_DEFAULT_NAMES)
    if not path.exists():
        return names, []
    try:
        values = Section.of_file(path).values
    except CheckpointError as error:
        raise TokenizerError(str(error)) from error
    for table in (values, *(values.get(key) for key in _NAME_TABLES)):
        for name, entry in table.items() if isinstance(table, dict) else ():
            if name.endswith("_token") and isinstance(token := _content(entry), str):
                names[name] = token
            elif name.endswith("_token") and entry is None:
                names.pop(name, None)
    nameless = []
    for key in _NAMELESS_LISTS:
        entries = values.get(key)
        nameless += [_content(entry) for entry in entries] if isinstance(entries, list) else []
    return names, [token for token in nameless if isinstance(token, str)]


def _content(entry: object) -> object:
    """A token is written as a string, or as an object with its string and how it is matched."""
    return entry.get("content") if isinstance(entry, dict) else entry


def _valid(text: str) -> str:
    """``text`` with a mark for each surrogate, which JSON can bring in and UTF-8 cannot hold; as long as before.

    One character each, so that spans into the result are spans into ``text``.
    """
    return _SURROGATE.sub("\ufffd", text)
