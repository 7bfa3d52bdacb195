"""The lines, the summary and the JSON of ``nfs ping``."""

from __future__ import annotations

from oncrpc.cli.nfs.ping_layers import LayerResult
from oncrpc.cli.nfs.ping_lines import PingFigures, layer_lines, round_item, spread
from oncrpc.cli.nfs.ping_problems import LayerProblem

PROBLEM = LayerProblem("cause", "It fails.", "Start it.")
WORKING = LayerResult("NFS 3", "NULL", "tcp", 2049, 0.001, "", None)
DENIED = LayerResult("MOUNT 3", "MNT /a\x1b", "tcp", 20048, 0.002, "", PROBLEM)
SILENT = LayerResult("port mapper", "NULL", "tcp", 111, None, "", PROBLEM)


def test_line_has_layer_place_time_and_answer() -> None:
    (line,) = layer_lines(WORKING._replace(answer="fine"))

    assert line.split() == ["NFS", "3", "tcp", "2049", "1.000", "ms", "NULL:", "fine"]


def test_problem_has_cause_and_next_step() -> None:
    line, sentence, remedy = layer_lines(SILENT)

    assert line.split() == ["port", "mapper", "tcp", "111", "failed", "NULL"]
    assert (sentence.strip(), remedy.strip()) == ("It fails.", "Start it.")


def test_control_characters_are_escaped() -> None:
    line, *_ = layer_lines(DENIED)

    assert line.endswith(r"MNT /a\x1b failed")


def test_round_is_counted_in_one_line() -> None:
    figures = PingFigures()
    figures.take([WORKING, DENIED])

    assert figures.round_line([WORKING, DENIED]) == "round 1: 1 of 2 work, 3.000 ms"


def test_summary_has_times_of_each_layer() -> None:
    figures = PingFigures()
    figures.take([WORKING, SILENT])
    figures.take([WORKING._replace(seconds=0.003), SILENT])

    lines = list(figures.summary("files.example"))

    assert lines[:2] == ["--- files.example ---", "2 rounds, 4 questions, 2 failed"]
    assert lines[3].split() == ["NFS", "3", "tcp", "NULL", "1.000/2.000/3.000/1.000"]
    assert lines[4].endswith("no answer")


def test_spread_of_one_time_has_no_deviation() -> None:
    assert spread([0.0015]) == "1.500/1.500/1.500/0.000"


def test_json_has_seconds_and_problem() -> None:
    item = round_item("files.example", 1, [WORKING, SILENT])

    assert (item["host"], item["round"], item["works"]) == ("files.example", 1, False)
    assert item["layers"][0]["seconds"] == 0.001
    assert item["layers"][1]["problem"] == {
        "cause": "cause",
        "sentence": "It fails.",
        "remedy": "Start it.",
    }
