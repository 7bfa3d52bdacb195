"""``nfs ping``: rounds, output and exit status."""

from __future__ import annotations

import json
import time

import pytest

from support.nfs_commands import run_nfs, served_tree
from support.pinged_server import refused_port


def test_working_server_is_status_0() -> None:
    with served_tree() as tree:
        ended = tree.run("ping", "/")

    assert (ended.status, ended.err) == (0, "")
    assert [line.split()[0] for line in ended.lines] == ["MOUNT"] * 3 + ["NFS"] * 4


def test_failing_layer_is_status_1_with_next_step() -> None:
    with refused_port() as port:
        ended = run_nfs("ping", f"nfs://127.0.0.1/?port={port}&mountport={port}")

    assert ended.status == 1
    assert "No NFS server runs on 127.0.0.1" in ended.out
    assert "Start the NFS server on 127.0.0.1." in ended.out


def test_further_rounds_are_lines_with_summary() -> None:
    with served_tree() as tree:
        ended = tree.run("ping -c 3 -i 0", "/")

    assert [line.split(",")[0] for line in ended.lines[7:9]] == [
        "round 2: 7 of 7 work",
        "round 3: 7 of 7 work",
    ]
    assert ended.lines[9:11] == ["--- 127.0.0.1 ---", "3 rounds, 21 questions, 0 failed"]


def test_json_has_one_object_for_each_round() -> None:
    with served_tree() as tree:
        ended = tree.run("ping -c 2 -i 0 --json", "/")

    first, second = map(json.loads, ended.lines)
    assert (first["round"], second["round"]) == (1, 2)
    assert first["works"] is True


def test_interrupt_prints_the_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    with served_tree() as tree:
        ended = tree.run("ping -c 0", "/")

    assert ended.status == 0
    assert "1 round, 7 questions, 0 failed" in ended.lines


@pytest.mark.parametrize(
    ("option", "message"),
    [("-c x", "invalid count x"), ("-i -1", "invalid interval -1: must be 0 to 86400")],
)
def test_wrong_options_are_usage_errors(option: str, message: str) -> None:
    ended = run_nfs("ping", *option.split(), "nfs://127.0.0.1/")

    assert ended.status == 2
    assert message in ended.err
