"""What a reply says of its call, as far as RPC itself tells (RFC 5531 §9)."""

from __future__ import annotations

from oncrpc.snoop.streams.recognition import MAX_AUTH, MSG_DENIED, TRIPLE, WORD

SUCCESS, CUT, INVALID = "SUCCESS", "CUT", "INVALID"
RPC_MISMATCH, AUTH_ERROR = 0, 1
"""The values of reject_stat."""

RPC_MISMATCH_NAME = "RPC_MISMATCH"

ACCEPTED = dict(
    enumerate(
        (SUCCESS, "PROG_UNAVAIL", "PROG_MISMATCH", "PROC_UNAVAIL", "GARBAGE_ARGS", "SYSTEM_ERR")
    )
)
"""The names of accept_stat. To load its declaration takes longer than to read 1,000 messages."""

AUTH = dict(
    enumerate(
        (
            "AUTH_OK", "AUTH_BADCRED", "AUTH_REJECTEDCRED", "AUTH_BADVERF", "AUTH_REJECTEDVERF",
            "AUTH_TOOWEAK", "AUTH_INVALIDRESP", "AUTH_FAILED", "AUTH_KERB_GENERIC",
            "AUTH_TIMEEXPIRE", "AUTH_TKT_FILE", "AUTH_DECODE", "AUTH_NET_ADDR",
            "RPCSEC_GSS_CREDPROBLEM", "RPCSEC_GSS_CTXPROBLEM",
        )
    )
)  # fmt: skip
"""The names of auth_stat."""

AT_VERIFIER = 20


def outcome_of(body: bytes) -> str:
    """The name of the status in the bytes of a reply: of accept_stat, auth_stat, or RPC_MISMATCH.

    ``CUT`` if the status was not captured, ``INVALID`` if it has no name.
    """
    if len(body) < AT_VERIFIER:
        return CUT
    second, third, size = TRIPLE.unpack_from(body, 8)
    if second == MSG_DENIED:
        if third == RPC_MISMATCH:
            return RPC_MISMATCH_NAME
        return AUTH.get(size, INVALID) if third == AUTH_ERROR else INVALID
    if size > MAX_AUTH:
        return INVALID
    place = AT_VERIFIER + (size + 3) // 4 * 4
    if len(body) < place + 4:
        return CUT
    return ACCEPTED.get(WORD.unpack_from(body, place)[0], INVALID)
