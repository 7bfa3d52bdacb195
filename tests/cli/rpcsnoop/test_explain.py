"""``rpcsnoop explain``: from a capture file to steps, the cause and the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oncrpc.cli.rpcsnoop import main
from support.mount_recordings import CAPTURES

DENIED = str(CAPTURES / "mount-denied.pcap")
HEALTHY = str(CAPTURES / "healthy.pcap")


def test_failed_mount_has_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", DENIED]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("/srv/closed: failed")
    assert "MNT /srv/closed: MNT3ERR_ACCES" in lines[5]
    assert lines[-2].startswith("Why: Mountd on 10.52.2.")
    assert lines[-1].startswith("What to do: Add 10.52.1.")


def test_status_is_zero_if_all_is_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", HEALTHY]) == 0

    assert "The mount is healthy" in capsys.readouterr().out


def test_json_has_an_object_for_each_attempt(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--json", DENIED]) == 1

    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["cause"], found["healthy"], found["attempts"]) == ("mount-denied", False, 1)
    assert found["steps"][-1]["result"] == "MNT3ERR_ACCES"


def test_another_client_has_no_attempt(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--client=192.0.2.77", DENIED]) == 0

    assert capsys.readouterr().out == "no attempt to mount a directory is in the capture\n"


@pytest.mark.parametrize("line", ["", "a b", "--client=name file", "--nonsense file"])
def test_wrong_command_line_has_status_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *line.split()]) == 2

    assert "rpcsnoop explain" in capsys.readouterr().err


def test_damaged_capture_is_explained_to_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "capture"
    path.write_bytes(Path(HEALTHY).read_bytes()[:-1])

    assert main(["explain", str(path)]) == 1

    shown = capsys.readouterr()
    assert "healthy" in shown.out
    assert shown.err.startswith(f"rpcsnoop explain: {path}: ")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_are_printed(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", option]) == 0

    assert "rpcsnoop" in capsys.readouterr().out
