from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from oncrpc.cli.command import Failure
from oncrpc.cli.rpcinfo.targets import TargetError, hosts, target_of


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("10.0.0.1", ["10.0.0.1"]),
        ("10.0.0.0/30", ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.2/30", ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.4/31", ["10.0.0.4", "10.0.0.5"]),
        ("10.0.0.4/32", ["10.0.0.4"]),
        ("10.0.0.9-11", ["10.0.0.9", "10.0.0.10", "10.0.0.11"]),
        ("10.0.0.255-10.0.1.1", ["10.0.0.255", "10.0.1.0", "10.0.1.1"]),
        ("2001:db8::/126", ["2001:db8::1", "2001:db8::2", "2001:db8::3"]),
        ("2001:db8::1-2001:db8::2", ["2001:db8::1", "2001:db8::2"]),
        ("fe80::1%lan0", ["fe80::1%lan0"]),
        ("nas-2.example", ["nas-2.example"]),
        ("1-2.example", ["1-2.example"]),
    ],
)
def test_a_word_means_these_hosts(word: str, expected: list[str]) -> None:
    assert hosts([word], limit=10) == expected


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("10.0.0.0/33", "invalid network"),
        ("nas/24", "invalid network"),
        ("10.0.0.5-4", "invalid range .*: the end is before the start"),
        ("10.0.0.5-300", "invalid range"),
        ("10.0.0.5-", "invalid range"),
        ("10.0.0.5-::1", "invalid range"),
        ("::1-5", "invalid range"),
        ("10.0.0.300", "invalid host .*: must be an address, network, range or name"),
        ("-x", "invalid host .*: must be an address, network, range or name"),
        ("", "invalid host .*: must be an address, network, range or name"),
        ("a" * 256, "invalid host .*: must be an address, network, range or name"),
        ("a\x1b[2J", r"invalid host a\\x1b\[2J:"),
    ],
)
def test_a_word_that_means_no_host_is_named(word: str, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        target_of(word)


def test_host_named_twice_is_asked_once() -> None:
    assert hosts(["10.0.0.2", "10.0.0.1-3"], limit=10) == ["10.0.0.2", "10.0.0.1", "10.0.0.3"]


def test_a_file_has_words_and_comments(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("# all\n10.0.0.1 nas # two\n\n10.0.0.8/31\n")

    found = hosts([f"@{file}"], limit=10)

    assert found == ["10.0.0.1", "nas", "10.0.0.8", "10.0.0.9"]


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\nb\n"))

    assert hosts(["-", "c"], limit=3) == ["a", "b", "c"]


def test_wrong_word_in_a_file_is_located(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("nas\n@other\n")

    with pytest.raises(Failure, match=r"^rpcinfo: .*/hosts, line 2: invalid host @other"):
        hosts([f"@{file}"], limit=10)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(Failure, match="cannot read /nonexistent: No such file"):
        hosts(["@/nonexistent"], limit=10)


@pytest.mark.parametrize("word", ["10.0.0.0/8", "::/0", "0.0.0.0-255.255.255.255"])
def test_too_many_hosts_are_refused_before_listing(word: str) -> None:
    with pytest.raises(Failure, match=r"makes more than 4096 hosts; see --limit$"):
        hosts(["nas", word], limit=4096)


def test_the_limit_is_for_all_together() -> None:
    with pytest.raises(Failure, match=r"c \(one host\) makes more than 2 hosts"):
        hosts(["a", "b", "c"], limit=2)
