"""The command nfsd explain: the decision about a host and a path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oncrpc.cli import nfsd
from oncrpc.daemon.control.protocol import answer_line
from oncrpc.nfs.daemon.explaining import EXPLAIN, MountExplanation
from support.fake_control import FakeControl

EMPTY = str(Path(__file__).parents[1] / "portmap" / "empty.toml")


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """A file of exports of one directory."""
    (tmp_path / "data" / "below").mkdir(parents=True)
    path = tmp_path / "exports"
    path.write_text(f"{tmp_path}/data 192.0.2.0/24(rw) 192.0.2.9(ro,all_squash,anonuid=7)\n")
    return path


def outcome(
    capsys: pytest.CaptureFixture[str], exports: Path, host: str, path: str, *options: str
) -> tuple[int, str]:
    named = ["--config", EMPTY, "--exports", str(exports)]
    status = nfsd.main(["explain", host, f"{exports.parent}{path}", *named, *options])
    return status, capsys.readouterr().out


def test_granting_line_options_and_users_are_shown(
    capsys: pytest.CaptureFixture[str], exports: Path
) -> None:
    status, out = outcome(capsys, exports, "192.0.2.9", "/data/below")

    assert status == 0
    assert out.splitlines()[0].endswith(f"in the export {exports.parent}/data: read only")
    assert f"{exports}:1:" in out
    assert "root (0:0) works as 7:65534" in out


def test_running_server_is_asked_first(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = ["192.0.2.9 may not mount /srv: no export has this path"]
    found = MountExplanation("192.0.2.9", "/srv", None, False, None, None, {}, [], [], lines)
    with FakeControl(tmp_path, answer_line(found, EXPLAIN)) as control:
        place = ["--state-dir", str(tmp_path), "--config", EMPTY]
        status = nfsd.main(["explain", "192.0.2.9", "/sr v", *place])

    assert (status, capsys.readouterr()) == (1, (f"{lines[0]}\n", ""))
    assert json.loads(control.asked[0]) == {
        "ask": "explain", "protocol": 1, "about": "192.0.2.9 /sr%20v",
    }  # fmt: skip


def test_files_are_read_if_no_server_runs(
    capsys: pytest.CaptureFixture[str], exports: Path
) -> None:
    config = exports.parent / "nfsd.toml"
    config.write_text(f'[exports]\nfiles = ["{exports}"]\n')
    config.chmod(0o644)
    place = ["--state-dir", str(exports.parent / "none"), "--config", str(config)]

    assert nfsd.main(["explain", "192.0.2.9", f"{exports.parent}/data", *place]) == 0

    said = capsys.readouterr()
    assert "read only" in said.out
    assert said.err.endswith("; this answer is from the files of exports\n")


def test_missing_directory_is_named(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    status, out = outcome(capsys, exports, "192.0.2.9", "/data/none")

    assert status == 0
    assert out.splitlines()[-1] == (
        f"  but the mount fails: {exports.parent}/data/none: no such file or directory on this host"
    )


def test_present_directory_is_not_named(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    assert "but the mount" not in outcome(capsys, exports, "192.0.2.9", "/data/below")[1]


def test_relative_path_is_named(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    named = ["--config", EMPTY, "--exports", str(exports)]

    assert nfsd.main(["explain", "192.0.2.9", "data", *named]) == 1
    assert (
        capsys.readouterr().out == "192.0.2.9 may not mount data: the path does not begin with /\n"
    )


def test_refused_host_has_status_1(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    status, out = outcome(capsys, exports, "198.51.100.1", "/data")

    assert status == 1
    assert "198.51.100.1 may not mount" in out


def test_path_outside_of_all_exports_is_refused(
    capsys: pytest.CaptureFixture[str], exports: Path
) -> None:
    assert outcome(capsys, exports, "192.0.2.9", "/other")[0] == 1


def test_missing_file_is_named(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    named = ["--config", EMPTY, "--exports", f"{exports}.bak"]

    assert nfsd.main(["explain", "192.0.2.9", "/data", *named]) == 1
    assert (
        capsys.readouterr().err == f"nfsd: {exports}.bak: there is no such file; check its name\n"
    )


def test_names_are_looked_up(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    exports.write_text(f"{exports.parent}/data 127.0.0.1(rw) ::1(rw)\n")

    assert outcome(capsys, exports, "localhost", "/data")[0] == 0


def test_unknown_name_has_status_2(
    capsys: pytest.CaptureFixture[str], exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(None, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", fails)

    assert outcome(capsys, exports, "nowhere.invalid", "/data")[0] == 2


def test_json_has_the_decision(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    status, out = outcome(capsys, exports, "192.0.2.9", "/data", "--json")

    found = json.loads(out)
    assert (status, found["granted"], found["export"]) == (0, True, f"{exports.parent}/data")
    assert found["works_as"]["root"] == {"uid": 7, "gid": 65534}
    assert found["entry"].startswith(f"{exports}:1:")
    assert found["compared"][0]["outcome"] == "grants"
