"""What a reply says of its call, as far as RPC itself tells (RFC 5531 §9)."""

from __future__ import annotations

from oncrpc.rpc.prot import accept_stat, auth_stat, reject_stat
from oncrpc.snoop.streams.recognition import MAX_AUTH, MSG_DENIED, TRIPLE, WORD

CUT = "CUT"
INVALID = "INVALID"
ACCEPTED: dict[int, str] = {stat.value: stat.name for stat in accept_stat}
AUTH: dict[int, str] = {stat.value: stat.name for stat in auth_stat}
AT_VERIFIER = 20


def outcome_of(body: bytes) -> str:
    """The name of the status in the bytes of a reply: of accept_stat, auth_stat, or RPC_MISMATCH.

    ``CUT`` if the status was not captured, ``INVALID`` if it has no name.
    """
    if len(body) < AT_VERIFIER:
        return CUT
    second, third, size = TRIPLE.unpack_from(body, 8)
    if second == MSG_DENIED:
        if third == reject_stat.RPC_MISMATCH:
            return reject_stat.RPC_MISMATCH.name
        return AUTH.get(size, INVALID) if third == reject_stat.AUTH_ERROR else INVALID
    if size > MAX_AUTH:
        return INVALID
    place = AT_VERIFIER + (size + 3) // 4 * 4
    if len(body) < place + 4:
        return CUT
    return ACCEPTED.get(WORD.unpack_from(body, place)[0], INVALID)
