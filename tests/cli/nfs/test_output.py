"""``oncrpc.cli.nfs.output``: lines of errors, JSON, and output that fails."""

from __future__ import annotations

import errno
import io
import json
from contextlib import redirect_stdout

import pytest

from oncrpc.cli.nfs.output import (
    MANY,
    WITHOUT_MAPPER,
    ErrorReport,
    Output,
    OutputError,
    error_text,
)
from oncrpc.errors import CallTimeout, PortMapperUnreachable, ProtocolError, TransportError
from oncrpc.nfs.client.errors import refusal
from oncrpc.programs.nfs3 import nfsstat3

DENIED = refusal(nfsstat3.NFS3ERR_ACCES, "/a/b")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DENIED, "/x: Permission denied (NFS3ERR_ACCES)"),
        (OSError(errno.ELOOP, "Too many links"), "/x: Too many links"),
        (ProtocolError("bad \x1b name"), "/x: bad \\x1b name"),
        (TransportError.number(errno.ECONNREFUSED, place="h"), "/x: h: Connection refused"),
        (
            PortMapperUnreachable.number(errno.ECONNREFUSED, place="h"),
            f"/x: h: Connection refused ({WITHOUT_MAPPER})",
        ),
        (CallTimeout(""), "/x: CallTimeout"),
    ],
)
def test_error_is_one_line(error: Exception, text: str) -> None:
    assert error_text("/x", error) == text


def test_path_of_an_error_is_escaped() -> None:
    assert error_text("/a\n\udcff", DENIED).startswith("/a\\x0a\\xff: ")


def test_many_errors_are_counted_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    report = ErrorReport("nfs rm")
    for number in range(MANY):
        report.add(f"/{number}", DENIED)

    assert report.finish() == 1

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "nfs rm: /0: Permission denied (NFS3ERR_ACCES)"
    assert lines[MANY:] == [f"nfs rm: {MANY} errors"]


def test_refused_file_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    report = ErrorReport("nfs ls")

    with report.catching("/a"):
        raise DENIED

    assert report.count == 1
    assert capsys.readouterr().err == "nfs ls: /a: Permission denied (NFS3ERR_ACCES)\n"


@pytest.mark.parametrize("error", [CallTimeout("late"), TransportError.number(errno.EPIPE)])
def test_lost_server_ends_the_operand(error: Exception) -> None:
    report = ErrorReport("nfs ls")

    with pytest.raises(type(error)), report.catching("/a"):
        raise error


def test_json_has_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "ü\x1b\x7f\x9b\U000e0001"}

    Output().json(value)

    text = capsys.readouterr().out
    assert json.loads(text) == value
    assert text.removesuffix("\n").isprintable()
    assert "ü" in text


def test_failed_output_has_its_own_error() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with redirect_stdout(Full()), pytest.raises(OutputError) as raised:
        Output().line("text")

    assert raised.value.error.errno == errno.ENOSPC
