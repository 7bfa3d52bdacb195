"""The command nfsd exports: what it lists, and what it finds wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from oncrpc.cli import nfsd
from oncrpc.cli.nfsd.export_files import WRONG
from oncrpc.nfs.exports.lookup import SystemNames
from support.fake_control import FakeControl, reply
from support.sample_nfsd_status import EXPORT, some_nfsd_status

EMPTY = str(Path(__file__).parents[1] / "portmap" / "empty.toml")


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """A file of exports of one directory."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "exports"
    path.write_text(f"{tmp_path}/data 192.0.2.0/24(rw,no_subtree_check) *(ro)\n")
    return path


def outcome(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = nfsd.main(["exports", *arguments, "--config", EMPTY])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_list_is_that_of_exportfs(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    status, out, _ = outcome(capsys, "--exports", str(exports))

    assert status == 0
    assert out.startswith(f"{exports.parent}/data\n\t\t192.0.2.0/24(sync,wdelay,hide,")
    assert "\t\t<world>(sync,wdelay,hide," in out


def test_running_server_is_asked_first(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    export = EXPORT.__class__("/srv", 1, "kernel", 1, ["nas(rw)", "*(ro)"], 0)
    with FakeControl(tmp_path, reply(some_nfsd_status(exports=[export]))):
        place = ["--state-dir", str(tmp_path)]
        plain = outcome(capsys, *place)
        lines = outcome(capsys, "list", "-s", *place)
        found = json.loads(outcome(capsys, "--json", *place)[1])

    assert plain == (0, "/srv          \tnas(rw)\n/srv          \t<world>(ro)\n", "")
    assert lines[1] == "/srv  nas(rw)\n/srv  *(ro)\n"
    assert found == [
        {
            "path": "/srv",
            "clients": [{"client": "nas", "options": "rw"}, {"client": "*", "options": "ro"}],
        }
    ]


def test_path_with_blanks_can_be_read_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    export = EXPORT.__class__("/my share", 1, "kernel", 1, ["nas(rw)"], 0)
    with FakeControl(tmp_path, reply(some_nfsd_status(exports=[export]))):
        lines = outcome(capsys, "-s", "--state-dir", str(tmp_path))[1]
    file = tmp_path / "exports"
    file.write_text(lines)

    assert lines == "/my\\040share  nas(rw)\n"
    assert outcome(capsys, "list", "-s", "--exports", str(file))[1].startswith(
        "/my\\040share  nas("
    )


def test_files_are_listed_if_no_server_runs(
    capsys: pytest.CaptureFixture[str], exports: Path
) -> None:
    config = exports.parent / "nfsd.toml"
    config.write_text(f'[exports]\nfiles = ["{exports}"]\n')
    config.chmod(0o644)
    place = ["--state-dir", str(exports.parent / "none"), "--config", str(config)]

    assert nfsd.main(["exports", *place]) == 0

    said = capsys.readouterr()
    assert "192.0.2.0/24(sync," in said.out
    assert said.err.endswith("these are the exports of the files\n")


def test_s_lists_lines_of_exports(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    _, out, _ = outcome(capsys, "list", "-s", "--exports", str(exports))

    exports.write_text(out)
    assert outcome(capsys, "-s", "--exports", str(exports))[1] == out


def test_json_lists_exports_with_clients(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    (found,) = json.loads(outcome(capsys, "--json", "--exports", str(exports))[1])

    assert found["path"] == f"{exports.parent}/data"
    assert [each["client"] for each in found["clients"]] == ["192.0.2.0/24", "*"]


def test_check_names_line_and_column(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    exports.write_text(f"# mine\n{exports.parent}/data *(rw,nonsense)\n")

    status, out, _ = outcome(capsys, "check", "--exports", str(exports))

    assert status == 1
    assert out.startswith(f"{exports}:2:")
    assert "error: " in out
    assert out.splitlines()[-1].startswith("1 export in 1 file: 1 error, ")


def test_check_of_good_files_succeeds(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    status, out, _ = outcome(capsys, "check", "--exports", str(exports))

    assert status == 0
    assert out.splitlines()[-1].startswith("1 export in 1 file: 0 errors, ")


def test_check_names_what_this_host_does_not_have(
    capsys: pytest.CaptureFixture[str], exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SystemNames, "forward", lambda *_: frozenset())
    here = exports.parent
    exports.write_text(f"{here}/none *(rw)\n{exports} *(rw)\n{here}/data name.invalid(rw)\n")

    status, out, _ = outcome(capsys, "check", "--exports", str(exports))

    assert status == 0
    assert f"{here}/none is not exported: no such file or directory; make" in out
    assert f"{exports} is not exported: not a directory, and not a zip or tar archive; make" in out
    assert "warning: the name name.invalid has no address, so it matches nobody; check" in out


def test_check_of_a_missing_file_fails(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    status, out, _ = outcome(capsys, "check", "--exports", f"{exports}.bak")

    assert status == 1
    assert out.startswith(f"{exports}.bak: error: there is no such file; check its name\n")


def test_check_names_places_without_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = tmp_path / "nfsd.toml"
    config.write_text(f'[exports]\nfiles = ["{tmp_path}/none", "{tmp_path}"]\n')
    config.chmod(0o644)

    assert nfsd.main(["exports", "check", "--config", str(config)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path}/none: note: it does not exist",
        f"{tmp_path}: note: there is no file of exports in it",
        "0 exports in 0 files: 0 errors, 0 warnings",
    ]


def test_check_as_json_has_places(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    exports.write_text("nonsense\n")

    status, out, _ = outcome(capsys, "check", "--json", "--exports", str(exports))

    found = json.loads(out)[0]
    assert (status, found["file"], found["line"], found["severity"]) == (
        1, str(exports), 1, "error",
    )  # fmt: skip


def test_directory_stands_for_its_exports_files(
    capsys: pytest.CaptureFixture[str], exports: Path
) -> None:
    folder = exports.parent / "d"
    folder.mkdir()
    (folder / "one.exports").write_text(exports.read_text())
    (folder / "two.bak").write_text("nonsense\n")

    assert outcome(capsys, "check", "--exports", str(folder))[0] == 0


def test_tables_of_the_file_are_listed(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    config = exports.parent / "nfsd.toml"
    config.write_text(f'[[export]]\npath = "{exports.parent}/data"\nclients = ["*(rw)"]\n')
    config.chmod(0o644)

    status = nfsd.main(["exports", "--config", str(config), "--exports", "/nonexistent"])

    assert status == 0
    assert f"{exports.parent}/data\n\t\t<world>(" in capsys.readouterr().out


def test_invalid_configuration_has_status_2(
    capsys: pytest.CaptureFixture[str], exports: Path
) -> None:
    config = exports.parent / "nfsd.toml"
    config.write_text("nonsense")
    config.chmod(0o644)

    assert nfsd.main(["exports", "--config", str(config)]) == WRONG == 2
    assert capsys.readouterr().err.startswith(f"nfsd: {config}: ")


def test_reload_asks_the_daemon(capsys: pytest.CaptureFixture[str], exports: Path) -> None:
    assert nfsd.main(["exports", "reload", "--state-dir", str(exports.parent)]) == 1
    assert "not running" in capsys.readouterr().err
