"""The command nfsd locks: what it lists, and what it releases."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from oncrpc.cli import nfsd
from oncrpc.cli.nfsd import locks
from oncrpc.daemon.control.protocol import answer_line
from oncrpc.nfs.daemon.lock_status import FreedLocks, GraceStatus
from support.fake_control import FakeControl
from support.sample_nfsd_status import HOST, LOCKS

FREED = answer_line(FreedLocks([HOST], 2), "free")
NOTHING = answer_line(FreedLocks([], 0), "free")
NO_CLIENT = "no client 198.51.100.1 has locks, or waits for some"
ANSWER = answer_line(LOCKS, "locks")


class Outcome:
    """What a command did: its status, what it printed, and what it asked the daemon."""

    def __init__(
        self,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        answers: tuple[bytes, ...],
        options: tuple[str, ...],
    ) -> None:
        with FakeControl(folder, *answers) as daemon:
            self.status = nfsd.main(["locks", "--state-dir", str(folder), *options])
        said = capsys.readouterr()
        self.out, self.err = said.out, said.err
        self.asked = [json.loads(each) for each in daemon.asked]


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let the admin answer at a terminal."""
    monkeypatch.setattr(locks.sys.stdin, "isatty", lambda: True)  # type: ignore[attr-defined]  # sys
    monkeypatch.setattr("builtins.input", lambda question: print(question) or text)


def test_locks_are_listed_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = Outcome(tmp_path, capsys, (ANSWER,), ())

    lines = found.out.splitlines()
    assert (found.status, found.asked) == (0, [{"ask": "locks", "protocol": 1}])
    assert lines[0] == "locks         2 held, 1 waiting; 2 files, 2 clients"
    assert lines[1] == "grace         at most 41 s more, for one.example.com (192.0.2.7)"
    assert lines[3].split() == ["file", "client", "process", "bytes", "lock", "since"]
    assert lines[4].startswith("/srv/data/log  ")
    assert len(lines) == 7


def test_more_than_are_listed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some = replace(LOCKS, left_out=3, grace=None)

    found = Outcome(tmp_path, capsys, (answer_line(some, "locks"),), ())

    assert found.out.splitlines()[-1] == "and 3 locks of other files"


def test_no_locks_are_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    none = replace(LOCKS, listed=[], grace=None)

    found = Outcome(tmp_path, capsys, (answer_line(none, "locks"),), ())

    assert len(found.out.splitlines()) == 1


def test_json_has_all_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(Outcome(tmp_path, capsys, (ANSWER,), ("--json",)).out)

    assert found["listed"][0]["entries"][1]["client"] == {"host": "192.0.2.8", "name": ""}
    assert found["grace"]["locks"] == 3


@pytest.mark.parametrize("given", ["y", "YES "])
def test_admin_is_asked_before_a_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    answer(monkeypatch, given)

    found = Outcome(tmp_path, capsys, (ANSWER, FREED), ("--free", "192.0.2.7"))

    assert found.status == 0
    assert found.asked[1] == {"ask": "free", "protocol": 1, "about": "192.0.2.7"}
    assert "192.0.2.8" not in found.out
    *_, question, done = found.out.splitlines()
    assert question == "release all locks and requests of 192.0.2.7? [y/N] "
    assert done == "released 2 locks of one.example.com (192.0.2.7)"


@pytest.mark.parametrize("given", ["", "n", "yellow"])
def test_any_other_answer_releases_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    answer(monkeypatch, given)

    found = Outcome(tmp_path, capsys, (ANSWER,), ("--free", "one.example.com"))

    assert (found.status, len(found.asked)) == (1, 1)


def test_client_without_listed_locks_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, "y")
    more = answer_line(replace(LOCKS, left_out=3), "locks")

    found = Outcome(tmp_path, capsys, (more, NOTHING), ("--free", "198.51.100.1"))

    assert found.err == "nfsd locks: no lock of 198.51.100.1 is listed\n"
    assert (found.status, found.out.splitlines()[-1]) == (1, NO_CLIENT)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_client_without_locks_needs_no_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    found = Outcome(tmp_path, capsys, (ANSWER,), ("--free", "198.51.100.1", *options))

    assert (found.status, len(found.asked), found.err) == (1, 1, "")
    said = {(): NO_CLIENT, ("--json",): '{\n  "clients": [],\n  "locks": 0\n}'}
    assert found.out == said[options] + "\n"


@pytest.mark.parametrize("grace", [LOCKS.grace, GraceStatus(41.5, 3, 3, [])])
def test_client_that_may_claim_is_asked_about(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    grace: GraceStatus,
) -> None:
    answer(monkeypatch, "n")
    claims = answer_line(replace(LOCKS, listed=[], grace=grace), "locks")

    found = Outcome(tmp_path, capsys, (claims,), ("--free", HOST.name))

    assert f"requests of {HOST.name}? [y/N]" in found.out


def test_yes_without_a_client_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        nfsd.main(["locks", "--yes"])

    assert "--yes is for --free; add --free CLIENT" in capsys.readouterr().err


def test_yes_releases_without_asking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = Outcome(tmp_path, capsys, (FREED,), ("--free", "192.0.2.7", "--yes", "--json"))

    assert found.status == 0
    assert json.loads(found.out)["locks"] == 2


def test_client_that_only_claims_is_released(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none_held = answer_line(FreedLocks([HOST], 0), "free")

    found = Outcome(tmp_path, capsys, (none_held,), ("--free", "192.0.2.7", "--yes"))

    assert found.out == "released requests and claims of one.example.com (192.0.2.7)\n"


def test_without_a_terminal_yes_is_needed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks.sys.stdin, "isatty", lambda: False)  # type: ignore[attr-defined]  # sys

    found = Outcome(tmp_path, capsys, (ANSWER,), ("--free", "192.0.2.7"))

    assert (found.status, [each["ask"] for each in found.asked]) == (2, ["locks"])
    assert found.err == "nfsd locks: add --yes to release locks without a terminal\n"


def test_missing_daemon_has_status_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert nfsd.main(["locks", "--state-dir", str(tmp_path)]) == 3
    assert "not running" in capsys.readouterr().err
