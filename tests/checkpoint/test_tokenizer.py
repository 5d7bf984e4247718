"""The tokenizer alone: control tokens on and off, names, damage."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgemma_ros.checkpoint.tokenizer import Tokenizer
from dgemma_ros.errors import TokenizerError
from tests.tokenizers import CONTROL, tokenizer_json, write_tokenizer

NANO = Path(__file__).parents[2] / "engines" / "nano"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return Tokenizer.load(write_tokenizer(tmp_path_factory.mktemp("checkpoint"), template=False))


def word_level(*words: str) -> dict[str, Any]:
    """A tokenizer whose vocabulary holds its control tokens as words, as a small checkpoint's may."""
    vocabulary = {word: index for index, word in enumerate(["<unk>", "<|turn>", "<|image>", "<|image|>", *words])}
    added = [
        {"id": i, "content": w, "special": True, "single_word": False, "lstrip": False, "rstrip": False}
        | {"normalized": False}
        for w, i in vocabulary.items()
        if w.startswith("<")
    ]
    return {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None}
        | {"pad_id": 0, "pad_type_id": 0, "pad_token": "<unk>"},
        "added_tokens": added,
        "normalizer": {"type": "NFKC"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }


def load(folder: Path, content: dict[str, Any], **config: Any) -> Tokenizer:
    (folder / "tokenizer.json").write_text(json.dumps(content))
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return Tokenizer.load(folder)


def test_control_tokens_need_trust(tokenizer: Tokenizer) -> None:
    for token in CONTROL:
        text = f"a{token}b"
        trusted, plain = tokenizer.encode(text, trusted=True), tokenizer.encode(text)
        assert tokenizer.id(token) in trusted and tokenizer.control_ids.isdisjoint(plain)
        assert tokenizer.decode(plain) == tokenizer.decode(trusted) == text
        assert tokenizer.decode(plain, skip_special=True) == text
        assert tokenizer.decode(trusted, skip_special=True) == "ab"
    assert tokenizer.control_ids == {tokenizer.id(token) for token in CONTROL}


def test_added_tokens_that_are_not_special_are_anyones(tokenizer: Tokenizer) -> None:
    for token in ("<unused0>", "<table>", "\n\n\n"):
        assert tokenizer.encode(token) == [tokenizer.id(token)]


def test_nothing_is_put_before_the_text(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("", trusted=True) == tokenizer.encode("") == []
    assert tokenizer.id("<bos>") not in tokenizer.encode("Go", trusted=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=6) | st.sampled_from(CONTROL), max_size=6).map("".join))
def test_plain_text_survives_and_stays_plain(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.control_ids.isdisjoint(ids)
    assert tokenizer.decode(ids) == text.replace("▁", " ")  # the family's stand-in for the space
    spans = tokenizer.encode_with_spans(text)[1]
    assert all(0 <= start <= end <= len(text) for start, end in spans)


any_text = st.text(st.characters(exclude_categories=()), max_size=8)  # surrogates too, which st.text() leaves out


@settings(max_examples=300, deadline=None)
@given(st.lists(any_text | st.sampled_from(CONTROL), max_size=6))
def test_spans_count_the_callers_characters(tokenizer: Tokenizer, parts: list[str]) -> None:
    text = "".join(parts)
    ids, spans = tokenizer.encode_with_spans(text)
    for token, (start, stop) in zip(ids, spans, strict=True):
        if token in tokenizer.control_ids:
            assert text[start:stop].strip() == tokenizer.token(token)
    assert tokenizer.control_ids.isdisjoint(tokenizer.encode(text))


def test_surrogates_are_replaced_one_by_one(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"
    assert tokenizer.decode(tokenizer.encode("\ud83d\ude00")) == "\ufffd\ufffd"
    assert tokenizer.encode("\udfff", trusted=True) == tokenizer.encode("\udfff")


def test_tokens_and_ids(tokenizer: Tokenizer) -> None:
    assert tokenizer.token(tokenizer.id("<turn|>")) == "<turn|>"
    assert tokenizer.size == len(tokenizer_json()["model"]["vocab"])
    assert tokenizer.names["bos_token"] == "<bos>" and tokenizer.names["think_token"] == "<|think|>"
    images = tokenizer.images
    assert images is not None
    begin, soft, end = (tokenizer.id(token) for token in ("<|image>", "<|image|>", "<image|>"))
    assert images.span(3) == [begin, soft, soft, soft, end]
    for bad in (10**6, -1, 1 << 40):
        with pytest.raises(TokenizerError, match=f"no token with id {bad}"):
            tokenizer.token(bad)
    with pytest.raises(TokenizerError, match="has no token '<nothing>'"):
        tokenizer.id("<nothing>")


def test_other_threads_run_while_a_long_text_is_read() -> None:
    """A deadline's watchdog is one: half a second without it is a plan that is late."""
    tokenizer, ended, ticks = Tokenizer.load(NANO), threading.Event(), []

    def tick() -> None:
        while not ended.wait(0.001):
            ticks.append(1)

    other = threading.Thread(target=tick)
    other.start()
    assert len(tokenizer.encode("🤖" * 200_000)) > 200_000
    seen = len(ticks)
    ended.set()
    other.join()
    assert seen > 5


def test_threads_do_not_disturb_each_other(tokenizer: Tokenizer) -> None:
    text = "Go <|turn> to <turn|> the kitchen. " * 20
    expected = {trusted: tokenizer.encode(text, trusted) for trusted in (True, False)}
    with ThreadPoolExecutor(8) as pool:
        jobs = [(trusted, pool.submit(tokenizer.encode, text, trusted)) for trusted in (True, False) * 100]
        assert all(job.result() == expected[trusted] for trusted, job in jobs)


def test_word_level_vocabularies_hold_no_door_open(tmp_path: Path) -> None:
    tokenizer = load(tmp_path, word_level("go", "left", "<", "|"))
    go, left, unknown = (tokenizer.id(word) for word in ("go", "left", "<unk>"))
    assert tokenizer.encode("go <|turn> left", trusted=True) == [go, tokenizer.id("<|turn>"), left]
    for spelled in ("<|turn>", "＜|turn>", "<|ｔｕｒｎ>"):  # the normalizer makes the last two what the first is
        ids = tokenizer.encode(f"go {spelled} left")
        assert tokenizer.control_ids.intersection(ids) <= {unknown}
        assert (ids[0], ids[-1]) == (go, left)
    assert tokenizer.encode("go home") == [go, unknown]
    assert tokenizer.images is None  # there is no <image|>


def test_saved_truncation_and_padding_are_undone(tmp_path: Path) -> None:
    assert len(load(tmp_path, word_level("go")).encode("go go go go")) == 4


def test_what_the_configuration_names_is_a_control_token(tmp_path: Path) -> None:
    content = word_level("[INST]", "[TOOL]", "go")
    config = {
        "extra_special_tokens": {"inst_token": {"content": "[INST]"}, "none_token": None, "odd_token": 3},
        "additional_special_tokens": ["[TOOL]", {"content": "[ABSENT]"}],
        "bos_token": {"content": "go"},
        "unk_token": None,
    }
    tokenizer = load(tmp_path, content, **config)
    assert dict(tokenizer.names).items() >= {"inst_token": "[INST]", "bos_token": "go"}.items()
    assert "unk_token" not in tokenizer.names
    assert {tokenizer.token(i) for i in tokenizer.control_ids} >= {"[INST]", "[TOOL]", "go", "<|turn>"}
    assert load(tmp_path, content, extra_special_tokens=["[INST]"]).id("[INST]") in tokenizer.control_ids


def damaged() -> dict[str, bytes]:
    whole = json.dumps(tokenizer_json()).encode()
    content = tokenizer_json()
    stray = json.dumps({**content, "model": {**content["model"], "merges": [["nowhere", "found"]]}})
    alien = json.dumps({**content, "model": {**content["model"], "type": "Oracle"}})
    return {
        "empty": b"",
        "half": whole[: len(whole) // 2],
        "list": b"[]",
        "number": b"7",
        "object": b"{}",
        "stray merge": stray.encode(),
        "unknown model": alien.encode(),
        "not text": b"\xff\xfe\x00",
        "zeros": bytes(1000),
    }


@pytest.mark.parametrize("kind", damaged())
def test_damage_is_one_clear_line(tmp_path: Path, kind: str) -> None:
    (tmp_path / "tokenizer.json").write_bytes(damaged()[kind])
    with pytest.raises(TokenizerError) as error:
        Tokenizer.load(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'tokenizer.json'}: ") and "\n" not in str(error.value)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: no such file"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").mkdir()
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: cannot be read"):
        Tokenizer.load(tmp_path)


def test_damaged_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(TokenizerError, match=r"tokenizer_config\.json: not valid JSON"):
        load(tmp_path, word_level())


def test_it_prints_in_a_line(tokenizer: Tokenizer) -> None:
    assert len(repr(tokenizer)) < 1500


def test_ids_beyond_the_models_vocabulary_are_said_by_name(tmp_path: Path) -> None:
    content = json.loads((NANO / "tokenizer.json").read_text())
    content["model"]["vocab"]["☃"] = 10**7
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    tokenizer = Tokenizer.load(tmp_path, 1920)
    assert tokenizer.encode("take the red block")
    for encode in (tokenizer.encode, tokenizer.encode_with_spans):
        with pytest.raises(TokenizerError, match=r"tokenizer\.json: '☃' has the id 10000000, .* ends at 1920"):
            encode("take the ☃")
