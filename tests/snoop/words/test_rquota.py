"""Lines of RQUOTA."""

from __future__ import annotations

from oncrpc.programs import rquota
from oncrpc.programs.rquota import EXT_RQUOTAVERS, RQUOTAVERS, qr_status
from support.wire_messages import call_line, reply_line


def test_quota_shows_user_and_path() -> None:
    line = call_line(RQUOTAVERS.RQUOTAPROC_GETQUOTA, rquota.getquota_args(b"/home", 1000))

    assert line == "RQUOTA C GETQUOTA Uid=1000 Path=/home"


def test_version_2_shows_groups() -> None:
    line = call_line(
        EXT_RQUOTAVERS.RQUOTAPROC_GETACTIVEQUOTA, rquota.ext_getquota_args(b"/home", 1, 50)
    )

    assert line == "RQUOTA C GETACTIVE Gid=50 Path=/home"


def test_set_quota_shows_the_command() -> None:
    limits = rquota.sq_dqblk(0, 0, 0, 0, 0, 0, 0, 0)

    line = call_line(
        EXT_RQUOTAVERS.RQUOTAPROC_SETQUOTA,
        rquota.ext_setquota_args(3, b"/home", 1000, 0, limits),
    )

    assert line == "RQUOTA C SETQUOTA Cmd=3 Uid=1000 Path=/home"


def test_outcomes_are_in_words() -> None:
    answer = rquota.getquota_rslt(qr_status.Q_NOQUOTA, None)

    line = reply_line(RQUOTAVERS.RQUOTAPROC_GETQUOTA, answer)

    assert line == "RQUOTA R GETQUOTA No quota"
