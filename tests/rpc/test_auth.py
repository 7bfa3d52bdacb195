"""Credentials (RFC 5531 §8, appendix A), judged as C servers judge them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from oncrpc import sync
from oncrpc.errors import AuthError
from oncrpc.rpc.auth import (
    AUTH_NONE,
    SHORTHAND_SIZE,
    Flavor,
    Judge,
    Judgement,
    Principal,
    Shorthands,
    SysFlavor,
    auth_sys,
    flavor_of,
    judge,
    response_verifier,
)
from oncrpc.rpc.prot import auth_flavor, auth_stat, authsys_parms, call_body, opaque_auth
from oncrpc.testing import MemoryLink, values_of
from oncrpc.xdr import encode
from support.service import COUNTER_V3, Counter
from support.words import words

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
def test_server_reads_the_client_s_credential(parms: authsys_parms) -> None:
    cred = auth_sys(parms.machinename, parms.uid, parms.gid, parms.gids, stamp=parms.stamp)

    assert cred.body == encode(authsys_parms, parms)
    assert judge(cred) == parms


def test_long_names_and_groups_are_cut() -> None:
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
def test_a_reply_verifier_is_none_or_echo(
    cred: opaque_auth, verf: opaque_auth, answered: opaque_auth
) -> None:
    assert response_verifier(cred, verf) == answered


ME = auth_sys(b"host", 1000, 100)
TOKEN = bytes(range(SHORTHAND_SIZE))
SHORT = opaque_auth(auth_flavor.AUTH_SHORT, TOKEN)
ENCODED = opaque_auth(auth_flavor.AUTH_SHORT, encode(opaque_auth, SHORT))
"""A shorthand as C servers issue it."""


def test_one_credential_is_made_and_any_verifier_taken() -> None:
    flavor = Flavor(SHORT)

    flavor.accepted(SHORT, ENCODED)

    assert flavor.credential() is SHORT
    assert flavor.verifier(b"header") is AUTH_NONE
    assert not flavor.rejected(SHORT, auth_stat.AUTH_REJECTEDCRED)


@pytest.mark.parametrize(("auth", "kind"), [(AUTH_NONE, Flavor), (SHORT, Flavor), (ME, SysFlavor)])
def test_a_credential_alone_is_made_a_flavor(auth: opaque_auth, kind: type[Flavor]) -> None:
    made = flavor_of(auth)

    assert type(made) is kind
    assert made.credential() is auth
    assert flavor_of(made) is made


@pytest.mark.parametrize("verf", [SHORT, ENCODED], ids=["as in the RFC", "as in C"])
def test_a_shorthand_replaces_auth_sys(verf: opaque_auth) -> None:
    flavor = SysFlavor(ME)

    flavor.accepted(ME, AUTH_NONE)
    assert flavor.credential() is ME

    flavor.accepted(ME, verf)
    assert flavor.credential() == SHORT


def test_credential_of_another_flavor_is_not_shorthand() -> None:
    flavor = SysFlavor(ME)
    root = opaque_auth(auth_flavor.AUTH_SHORT, encode(opaque_auth, auth_sys(b"", 0, 0)))

    flavor.accepted(ME, root)

    assert flavor.credential() == root


def test_a_shorthand_that_was_flushed_is_given_up() -> None:
    flavor = SysFlavor(ME)
    flavor.accepted(ME, SHORT)

    assert not flavor.rejected(SHORT, auth_stat.AUTH_TOOWEAK)
    assert not flavor.rejected(ME, auth_stat.AUTH_REJECTEDCRED)
    assert flavor.credential() == SHORT
    assert flavor.rejected(SHORT, auth_stat.AUTH_REJECTEDCRED)
    assert flavor.credential() is ME


def test_refusing_an_old_shorthand_keeps_the_new() -> None:
    flavor, newer = SysFlavor(ME), opaque_auth(auth_flavor.AUTH_SHORT, b"newer")
    flavor.accepted(ME, newer)

    assert flavor.rejected(SHORT, auth_stat.AUTH_REJECTEDCRED)

    assert flavor.credential() == newer


def called(cred: opaque_auth) -> call_body:
    return call_body(2, 1, 1, 0, cred, AUTH_NONE)


def test_credentials_are_judged_as_in_c() -> None:
    assert Judge().judge(called(AUTH_NONE), b"") == (None, AUTH_NONE)
    assert Judge().judge(called(ME), b"") == (judge(ME), AUTH_NONE)
    assert Judge().judge(called(SHORT), b"") == auth_stat.AUTH_REJECTEDCRED


class Numbers:
    """Random bytes that are none."""

    def __init__(self) -> None:
        self.last = 0

    def __call__(self, size: int) -> bytes:
        self.last += 1
        return self.last.to_bytes(size, "big")


def issued(judgement: Judgement) -> opaque_auth:
    """The verifier of what was not refused."""
    assert isinstance(judgement, tuple)
    return judgement[1]


@pytest.mark.parametrize("literal", [False, True], ids=["decoded", "all of its bytes"])
def test_an_issued_shorthand_names_the_caller(literal: bool) -> None:
    judging = Shorthands(random=Numbers())

    verf = issued(judging.judge(called(ME), b""))
    flavor = SysFlavor(ME)
    flavor.accepted(ME, verf)
    short = verf if literal else flavor.credential()

    assert short.flavor == auth_flavor.AUTH_SHORT
    assert judging.judge(called(short), b"") == (judge(ME), verf)


def test_one_caller_has_one_shorthand() -> None:
    judging = Shorthands(random=Numbers())

    assert judging.judge(called(ME), b"") == judging.judge(called(ME), b"")
    assert judging.judge(called(ME), b"") != judging.judge(called(auth_sys(b"", 0, 0)), b"")
    assert len(judging) == 2


@pytest.mark.parametrize("body", [b"", TOKEN, b"short"])
def test_an_unknown_shorthand_is_refused(body: bytes) -> None:
    judging = Shorthands(random=Numbers())
    judging.judge(called(ME), b"")

    unknown = opaque_auth(auth_flavor.AUTH_SHORT, body)
    assert judging.judge(called(unknown), b"") == auth_stat.AUTH_REJECTEDCRED


def test_the_shorthand_unused_for_longest_is_flushed() -> None:
    judging = Shorthands(random=Numbers(), most=2)
    users = [auth_sys(b"", uid, 0) for uid in range(3)]
    first, second = (issued(judging.judge(called(user), b"")) for user in users[:2])
    judging.judge(called(first), b"")

    judging.judge(called(users[2]), b"")

    assert len(judging) == 2
    assert isinstance(judging.judge(called(first), b""), tuple)
    assert judging.judge(called(second), b"") == auth_stat.AUTH_REJECTEDCRED
    assert issued(judging.judge(called(users[1]), b"")) != second


def test_only_auth_sys_gets_a_shorthand() -> None:
    judging = Shorthands(random=Numbers())

    assert judging.judge(called(AUTH_NONE), b"") == (None, AUTH_NONE)
    assert judging.judge(called(opaque_auth(auth_flavor.AUTH_SYS, b"")), b"") == 1
    assert len(judging) == 0


def test_shorthands_survive_a_flush() -> None:
    judging = Shorthands(random=Numbers())
    link = MemoryLink([Counter()], auth=ME, judge=judging)
    client = COUNTER_V3.Client(link)

    assert [sync.run(client.ADD(1)) for _ in range(2)] == [1, 2]
    assert link.calls.flavor.credential().flavor == auth_flavor.AUTH_SHORT
    judging.flush()
    assert len(judging) == 0

    assert sync.run(client.ADD(1)) == 3
    assert len(judging) == 1


class Password(Principal):
    """Whom a password names."""

    def __init__(self, word: bytes) -> None:
        self.word = word


class PasswordJudge(Judge):
    """Believes who knows the password, and answers with it backwards."""

    def judge(self, call: call_body, message: bytes) -> Judgement:
        if call.cred.flavor != 390000:
            return super().judge(call, message)
        if call.verf.body != message[: 32 + len(call.cred.body)][-4:]:
            return auth_stat.AUTH_BADVERF
        return Password(call.cred.body), opaque_auth(auth_flavor(390000), call.cred.body[::-1])


class PasswordFlavor(Flavor):
    """Sends the password, and as verifier the end of the header."""

    def __init__(self, word: bytes) -> None:
        super().__init__(opaque_auth(auth_flavor(390000), word))

    def verifier(self, header: bytes) -> opaque_auth:
        return opaque_auth(auth_flavor(390000), header[-4:])

    def accepted(self, cred: opaque_auth, verf: opaque_auth) -> None:
        if verf.body != cred.body[::-1]:
            raise AuthError(auth_stat.AUTH_INVALIDRESP)


def test_a_further_flavor_is_two_classes() -> None:
    link = MemoryLink([Counter()], auth=PasswordFlavor(b"open"), judge=PasswordJudge())

    assert sync.run(COUNTER_V3.Client(link).ADD(5)) == 5


def test_an_unaccepted_verifier_ends_the_call() -> None:
    link = MemoryLink([Counter()], auth=ME, judge=PasswordJudge())

    with pytest.raises(AuthError) as caught:
        sync.run(link.call(COUNTER_V3.READ, auth=LyingFlavor()))

    assert caught.value.stat == auth_stat.AUTH_INVALIDRESP


class LyingFlavor(PasswordFlavor):
    """Expects something else."""

    def __init__(self) -> None:
        super().__init__(b"open")

    def accepted(self, cred: opaque_auth, verf: opaque_auth) -> None:
        super().accepted(opaque_auth(cred.flavor, b"else"), verf)


@pytest.mark.parametrize("auth", ["root", auth_sys])
def test_invalid_auth_argument_is_refused(auth: Any) -> None:
    with pytest.raises(TypeError, match=r"^auth is a credential or a Flavor, not "):
        flavor_of(auth)
