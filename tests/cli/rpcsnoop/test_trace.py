"""``rpcsnoop``: from a capture file to lines, trees, objects and figures."""

from __future__ import annotations

import io
import json
from pathlib import Path
from struct import pack

import pytest

from oncrpc.cli.rpcsnoop.trace import main
from oncrpc.snoop.capture.files import frames_of_file
from support.captured import UP, Ends, pcap, pcapng
from support.conversations import MILLISECOND, START, Connection, call, datagram, reply

MAPPER = Ends(target_port=111)
GETPORT = call(7, pack(">IIII", 100005, 3, 17, 0), prog=100000, vers=2, proc=3)
FRAMES = [
    (START, datagram(GETPORT, MAPPER)),
    (START + MILLISECOND, datagram(reply(7, pack(">I", 33492)), MAPPER.back())),
    (START + 3 * MILLISECOND, datagram(call(8, proc=0))),
    (START + 4 * MILLISECOND, datagram(reply(8), UP.back())),
]
LINES = """\
  1   0.00000    192.0.2.1 -> 192.0.2.2    PORTMAP C GETPORT prog=100005 (MOUNT) vers=3 proto=UDP
  2   0.00100    192.0.2.2 -> 192.0.2.1    PORTMAP R GETPORT port=33492
  3   0.00200    192.0.2.1 -> 192.0.2.2    NFS C NULL3
  4   0.00100    192.0.2.2 -> 192.0.2.1    NFS R NULL3
"""


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "capture"
    path.write_bytes(pcap(FRAMES))
    return path


def test_lines_are_those_of_snoop(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(capture)]) == 0

    assert capsys.readouterr().out == LINES


def test_filters_choose_lines(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--prog", "nfs", "--host", "192.0.2.1", str(capture)]) == 0

    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["3", "4"]


def test_status_chooses_calls_and_their_replies(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture.write_bytes(pcap([*FRAMES[:1], *FRAMES[2:], (START, datagram(reply(9)))]))

    assert main(["--status", "ok", "--status", "unanswered", str(capture)]) == 0

    shown = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["2", "3", "4", "1"]


def test_layers_have_a_line_each(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-V", "--prog", "mapper", str(capture)]) == 2
    assert main(["-V", "--prog", "portmap", str(capture)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert lines[0] == lines[6] == "_" * 32
    begin = "  1   0.00000    192.0.2.1 -> 192.0.2.2    "
    assert [line.removeprefix(begin).split()[0] for line in lines[1:6]] == [
        "ETHER", "IP", "UDP", "RPC", "PORTMAP",
    ]  # fmt: skip


def test_color_is_only_around_the_words(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--color", "always", str(capture)]) == 0

    assert capsys.readouterr().out.splitlines()[2] == (
        "  3   0.00200    192.0.2.1 -> 192.0.2.2    \x1b[36mNFS C NULL3\x1b[0m"
    )


def test_tree_follows_each_line(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-v", str(capture)]) == 0

    out = capsys.readouterr().out
    assert out.startswith(LINES.splitlines()[0] + "\n     0  rpc:\n")
    assert out.count("\n\n") == 4


def test_objects_are_one_a_line(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", str(capture)]) == 0

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["frame"], each["xid"]) for each in found] == [(1, 7), (2, 7), (3, 8), (4, 8)]


def test_figures_are_shown(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stats", "--proc", "null", str(capture)]) == 0

    _, row, *rest = capsys.readouterr().out.splitlines()
    assert row.split()[:5] == ["NFS", "3", "NULL", "1", "1"]
    assert rest[1] == "service time in milliseconds"


@pytest.mark.parametrize(
    ("by", "names"),
    [("client", ["192.0.2.1"]), ("server", ["192.0.2.2"]), ("file", ["-"])],
)
def test_figures_may_be_of_groups(
    by: str, names: list[str], capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--stats", "--by", by, "--prog", "nfs", str(capture)]) == 0

    heading, *rows = capsys.readouterr().out.partition("\n\n")[0].splitlines()
    assert heading.split()[0] == by
    assert [row.split()[0] for row in rows] == names


@pytest.mark.parametrize("form", ["--json", "--stats", "-v", "-tr"])
def test_truncated_file_is_shown_to_its_end(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "capture"
    path.write_bytes(pcapng(FRAMES)[:-8])

    assert main([form, str(path)]) == 1

    out, err = capsys.readouterr()
    assert "PORTMAP" in out or "PMAP" in out
    assert err.startswith(f"rpcsnoop: {path}: byte ")
    assert err.endswith("the file ends within a frame\n")


def test_figures_tell_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connection = Connection()
    connection.lose(500)
    connection.exchange(1)
    path = tmp_path / "capture"
    path.write_bytes(pcap(connection.frames))

    assert main(["--stats", str(path)]) == 0

    assert capsys.readouterr().out.endswith("\n\n500 bytes of connections that were not captured\n")


def test_standard_input_is_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(pcap(FRAMES))))

    assert main(["-"]) == 0

    assert capsys.readouterr().out == LINES


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing", "No such file or directory"), (".", "Is a directory")],
)
def test_file_that_cannot_be_read_is_named(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name

    assert main([str(path)]) == 1

    assert capsys.readouterr().err == f"rpcsnoop: {path}: {message}\n"


def test_unknown_status_is_reported(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--status", "BOGUS", str(capture)]) == 0

    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "rpcsnoop: unknown status BOGUS; '--status !OK' shows the calls of all errors\n"
    )


def test_own_interface_is_used(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interface = tmp_path / "my.x"
    interface.write_text(
        "program MINE { version ONE { void HELLO(void) = 5; } = 1; } = 0x20000009;"
    )
    capture.write_bytes(pcap([(START, datagram(call(1, prog=0x20000009, vers=1, proc=5)))]))

    assert main(["--spec", str(interface), "--proc", "HELLO", str(capture)]) == 0

    assert "HELLO" in capsys.readouterr().out


def test_wrong_interface_is_an_error(
    capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    interface = tmp_path / "my.x"
    interface.write_text("program {")

    assert main(["--spec", str(interface), str(capture)]) == 2

    assert "my.x" in capsys.readouterr().err


def test_frames_of_a_file_are_copied(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = capture.with_name("copy")

    assert main(["-w", str(copy), "--host", "192.0.2.1", str(capture)]) == 0

    assert capsys.readouterr().out == ""
    assert list(frames_of_file(copy)) == list(frames_of_file(capture))


def test_capture_is_not_written_over_itself(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = capture.read_bytes()

    assert main(["--write", str(capture), str(capture)]) == 1
    assert capsys.readouterr().err.endswith("it is the file to read; name another file\n")
    assert capture.read_bytes() == before


def test_missing_interface_is_named(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", "none.x", str(capture)]) == 2
    assert capsys.readouterr().err == "rpcsnoop: none.x: No such file or directory\n"


def test_count_limits_messages_and_copied_frames(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = capture.with_name("copy")

    assert main(["-c", "3", str(capture)]) == 0
    assert main(["-c", "3", "-w", str(copy), str(capture)]) == 0

    assert len(capsys.readouterr().out.splitlines()) == 3
    assert len(list(frames_of_file(copy))) == 3


def test_copying_goes_with_showing(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = capture.with_name("copy")

    assert main(["--print", "-w", str(copy), str(capture)]) == 0

    assert capsys.readouterr().out == LINES
    assert len(list(frames_of_file(copy))) == 4


def test_damage_is_reported_after_copying(
    capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capture.write_bytes(pcap(FRAMES)[:-1])
    copy = capture.with_name("copy")

    assert main(["-w", str(copy), str(capture)]) == 1

    assert "the file ends within a frame" in capsys.readouterr().err
    assert len(list(frames_of_file(copy))) == 3


def test_full_disk_ends_copying(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-w", "/dev/full", str(capture)]) == 1

    assert "rpcsnoop: cannot write /dev/full: No space" in capsys.readouterr().err
