"""The usual command lines print what the tracer prints, by the short way."""

from __future__ import annotations

from pathlib import Path

import pytest

from oncrpc.cli.rpcsnoop import main, trace, usual
from oncrpc.cli.rpcsnoop.words import TRACE, USUAL, module_of

CAPTURES = sorted((Path(__file__).parents[2] / "captures" / "peers").glob("*.pcap"))


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("--stats file", USUAL),
        ("file --stats", USUAL),
        ("--stats -", USUAL),
        ("file", USUAL),
        ("-", USUAL),
        ("-r", TRACE),
        ("--stats", TRACE),
        ("--stats --json", TRACE),
        ("--stats -v file", TRACE),
        ("--stats file other", TRACE),
    ],
)
def test_usual_lines_are_recognised(line: str, module: str) -> None:
    assert module_of(line.split()) == module


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("options", [[], ["--stats"]])
def test_output_is_that_of_the_tracer(
    options: list[str], path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*options, str(path)]) == 0
    short = capsys.readouterr().out
    assert trace.main([*options, str(path)]) == 0

    assert capsys.readouterr().out == short
    assert len(short) > 100


@pytest.mark.parametrize("options", [[], ["--stats"]])
@pytest.mark.parametrize("name", ["cut.pcap", "none.pcap", "empty.pcap"])
def test_faulty_files_are_reported_alike(
    options: list[str],
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cut.pcap").write_bytes(CAPTURES[0].read_bytes()[:-5])
    (tmp_path / "empty.pcap").write_bytes(b"")

    results = [(module.main([*options, name]), *capsys.readouterr()) for module in (usual, trace)]

    assert results[0] == results[1]
    assert results[0][0] == 1
    assert results[0][2].startswith(f"rpcsnoop: {name}: ")
