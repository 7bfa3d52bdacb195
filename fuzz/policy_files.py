"""The policy file: any text is a policy, or a mistake that is told in one short line.

The rules of a policy decide on calls of every caller, and written out they are the same rules.
"""

from __future__ import annotations

from random import Random

from fuzz.calls import CALLERS
from fuzz.driver import Target
from fuzz.mutation import mutated_text
from oncrpc.access.rules import Asker, relevant
from oncrpc.daemon.config.read import MAX_SIZE, line_of_rule
from oncrpc.daemon.config.values import ConfigError
from oncrpc.portmap.config import SCHEMA, PortmapConfig
from oncrpc.portmap.vocabulary import VOCABULARY

PATH = "portmap.toml"
LONGEST = 330
TOKENS = (
    "[", "]", "[[rule]]\n", "{", "}", "=", ",", '"', "'", '"""', "#", "\n", ".", "then", "from",
    "netid", "procedure", "program", "uid", "trusted", "registration", "rate", "liveness", "hosts",
    "replies", "burst", "per-owner", "total", "interval", "watch", "enabled", "local-only",
    '"allow"', '"deny"', '"silent"', '"local"', '"loopback"', '"192.0.2.0/24"', '"2001:db8::/56"',
    '"fe80::%lan0/64"', '"10.0.0.1/8"', '"udp"', '"GETPORT"', '"CALLIT"', '"NULL"', '"nfs"', "0",
    "-1", "1e400", "nan", "9" * 5000, "0x10", "0b1", "1979-05-27", "9999-99-99", "true", "false",
    "100003", "4294967296", "\\u0000", "\\U0010ffff", "\u202e", "\x1b[2J",
)  # fmt: skip
SEEDS = (
    "",
    'trusted = ["192.0.2.0/24", "2001:db8::/56"]\n[rate]\nreplies = 5\nburst = 10\n',
    '[[rule]]\nfrom = ["192.0.2.0/24", "local"]\nuid = [0, 1000]\nthen = "allow"\n'
    '[[rule]]\nthen = "deny"\n',
    '[[rule]]\nnetid = ["udp"]\nprocedure = ["DUMP", "GETSTAT"]\nthen = "silent"\n',
    '[[rule]]\nprogram = ["nfs", 100005]\nprocedure = ["GETPORT"]\nthen = "deny"\n',
    "[registration]\nlocal-only = true\nper-owner = 5\ntotal = 100\n[liveness]\ninterval = 0\n"
    "watch = true\n[hosts]\nenabled = false\n",
)


def make(source: Random) -> bytes:
    """A file, often with two of the others in it."""
    text = "".join(source.sample(SEEDS, source.choice((1, 1, 2))))
    return mutated_text(text, source, TOKENS).encode("utf-8", "replace")


def run(data: bytes) -> None:
    """Read it, and decide by it."""
    try:
        policy = SCHEMA.parse(text := data[:MAX_SIZE].decode("utf-8", "replace"), PATH)
    except ConfigError as mistake:
        _check_told(str(mistake))
        return
    for number in {0, len(policy.rule) - 1} if policy.rule else ():
        line_of_rule(text, number)
    _decide(policy)
    assert SCHEMA.parse(_written(policy), PATH).rule == policy.rule


def _check_told(mistake: str) -> None:
    assert mistake.isprintable(), mistake
    assert len(mistake) <= LONGEST, mistake


def _decide(policy: PortmapConfig) -> None:
    for caller in CALLERS:
        rules = relevant(policy.rule, Asker.of(caller))
        for procedure in VOCABULARY.in_rules:
            rules.decide(procedure, 100003 if procedure in VOCABULARY.with_program else None)


def _written(policy: PortmapConfig) -> str:
    rules = ",".join(f"{{{rule}}}" for rule in policy.rule)
    return f"rule = [{rules}]"


TARGET = Target("policy_files", make, run)
