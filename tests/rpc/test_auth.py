"""Credentials (RFC 5531 §8, appendix A), judged as C servers judge them."""

from __future__ import annotations

import pytest
from hypothesis import given

from helpers import words
from oncrpc.rpc.auth import AUTH_NONE, auth_sys, judge, response_verifier
from oncrpc.rpc.prot import auth_flavor, auth_stat, authsys_parms, opaque_auth
from oncrpc.testing import values_of
from oncrpc.xdr import encode

SYS_BODY = words(7, 4, b"host", 1000, 100, 2, 4, 24)
SYS = authsys_parms(7, b"host", 1000, 100, [4, 24])


@pytest.mark.parametrize(
    ("flavor", "body", "outcome"),
    [
        (0, b"", None),
        (0, b"whatever", None),
        (1, SYS_BODY, SYS),
        (1, SYS_BODY + b"trailing", SYS),
        (1, words(0, 0, 0, 0, 16, *range(16)), authsys_parms(0, b"", 0, 0, list(range(16)))),
        (1, words(0, 0, 0, 0, 17, *range(17)), auth_stat.AUTH_BADCRED),
        (1, words(0, 256, bytes(256), 0, 0, 0), auth_stat.AUTH_BADCRED),
        (1, b"", auth_stat.AUTH_BADCRED),
        (1, SYS_BODY[:-1], auth_stat.AUTH_BADCRED),
        (2, b"", auth_stat.AUTH_REJECTEDCRED),
        (2, SYS_BODY, auth_stat.AUTH_REJECTEDCRED),
        (3, b"", auth_stat.AUTH_FAILED),
        (4, b"", auth_stat.AUTH_REJECTEDCRED),
        (5, b"", auth_stat.AUTH_REJECTEDCRED),
        (6, b"", auth_stat.AUTH_BADCRED),
        (6, words(1, 1, 0, 1, 0), auth_stat.AUTH_FAILED),
        (7, b"", auth_stat.AUTH_REJECTEDCRED),
        (390000, b"", auth_stat.AUTH_REJECTEDCRED),
        (-1, b"", auth_stat.AUTH_REJECTEDCRED),
    ],
)
def test_a_credential_names_its_caller_or_is_refused(
    flavor: int, body: bytes, outcome: authsys_parms | auth_stat | None
) -> None:
    assert judge(opaque_auth(auth_flavor(flavor), body)) == outcome


@given(values_of(opaque_auth))
def test_any_credential_has_a_judgement(cred: opaque_auth) -> None:
    assert isinstance(judge(cred), (authsys_parms, auth_stat, type(None)))


@given(values_of(authsys_parms))
def test_what_a_client_says_of_itself_is_what_the_server_reads(parms: authsys_parms) -> None:
    cred = auth_sys(parms.machinename, parms.uid, parms.gid, parms.gids, stamp=parms.stamp)

    assert cred.body == encode(authsys_parms, parms)
    assert judge(cred) == parms


def test_what_is_too_long_for_a_credential_is_cut() -> None:
    judged = judge(auth_sys(b"h" * 300, 1, 2, range(20)))

    assert judged == authsys_parms(0, b"h" * 255, 1, 2, list(range(16)))


@pytest.mark.parametrize(
    ("cred", "verf", "answered"),
    [
        (AUTH_NONE, AUTH_NONE, AUTH_NONE),
        (AUTH_NONE, opaque_auth(auth_flavor.AUTH_SHORT, b"odd"), AUTH_NONE),
        (auth_sys(b"", 0, 0), AUTH_NONE, AUTH_NONE),
        (
            auth_sys(b"", 0, 0),
            opaque_auth(auth_flavor.AUTH_SHORT, b"mine"),
            opaque_auth(auth_flavor.AUTH_SHORT, b"mine"),
        ),
    ],
)
def test_the_verifier_of_a_reply_is_none_or_an_echo(
    cred: opaque_auth, verf: opaque_auth, answered: opaque_auth
) -> None:
    assert response_verifier(cred, verf) == answered
