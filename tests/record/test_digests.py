"""Digests: equal for equal content, different for any difference, and what the standard tools say."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from outcrop.record.digests import CHUNK, digest_file, digest_files, digest_folder, digest_value


def test_a_value_is_digested_as_canonical_json() -> None:
    expected = hashlib.sha256(b'{"a":[1,2.5,null,true],"b":"x"}').hexdigest()
    assert digest_value({"b": "x", "a": [1, 2.5, None, True]}) == expected


@pytest.mark.parametrize(
    ("one", "other"), [([1, 2], [2, 1]), ({"a": 1}, {"a": "1"}), ([[1], 2], [1, [2]]), ({}, []), (1, 1.5), ("", None)]
)
def test_different_values_differ(one: object, other: object) -> None:
    assert digest_value(one) != digest_value(other)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")]])
def test_what_is_no_json_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest_value(value)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 3])
def test_a_file_is_digested_whole(size: int, tmp_path: Path) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "f").write_bytes(content[:size])
    assert digest_file(tmp_path / "f") == hashlib.sha256(content[:size]).hexdigest()


def make_folder(folder: Path, order: tuple[str, ...] = ("a.txt", "in/b.txt", "in/deep/c.txt")) -> Path:
    for name in order:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_a_folders_digest_does_not_depend_on_place_or_order(tmp_path: Path) -> None:
    one = make_folder(tmp_path / "one")
    other = make_folder(tmp_path / "elsewhere" / "other", ("in/deep/c.txt", "in/b.txt", "a.txt"))
    assert digest_folder(one) == digest_folder(other)
    assert digest_folder(one) == digest_files([p for p in other.rglob("*") if p.is_file()], other)


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda f: (f / "in/b.txt").write_text("in/b.txT"),
    "name": lambda f: (f / "a.txt").rename(f / "A.txt"),
    "place": lambda f: (f / "in/b.txt").rename(f / "b.txt"),
    "one more": lambda f: (f / "new").write_text(""),
    "one less": lambda f: (f / "in/deep/c.txt").unlink(),
    "swapped": lambda f: ((f / "a.txt").write_text("in/b.txt"), (f / "in/b.txt").write_text("a.txt")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_changes_a_folders_digest(name: str, tmp_path: Path) -> None:
    before = digest_folder(make_folder(tmp_path))
    CHANGES[name](tmp_path)
    assert digest_folder(tmp_path) != before
