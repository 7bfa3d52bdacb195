"""A second daemon: all but its procedure comes from ``oncrpc.daemon``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from oncrpc.access.vocabulary import Vocabulary
from oncrpc.cli.daemon_command import main
from oncrpc.cli.daemon_options import Command
from oncrpc.daemon.app import Application
from oncrpc.daemon.config.read import Schema
from oncrpc.daemon.config.tables import Config
from oncrpc.daemon.control.status import CommonStatus
from oncrpc.rpc import Call, Service
from support.echo import ECHO_V1

VERSIONS = (ECHO_V1,)
SCHEMA = Schema(Config, file="/etc/echod.toml", vocabulary=Vocabulary(VERSIONS))


class EchoStatus(CommonStatus, frozen=True, kw_only=True):
    """The common status, and the number of bytes that were echoed."""

    echoed: int


class EchoDaemon(Application[Config], ECHO_V1.Service):
    """Answers ECHO, and counts the bytes, also over a restart in place."""

    name, title, versions, schema = "echod", "echo daemon", VERSIONS, SCHEMA
    echoed = 0

    def services(self) -> Sequence[Service]:
        return [self]

    def ECHO(self, call: Call, arg: bytes) -> bytes:
        self.echoed += len(arg)
        return arg

    def report(self, common: CommonStatus) -> EchoStatus:
        fields = {name: getattr(common, name) for name in common.__struct_fields__}
        return EchoStatus(**fields, echoed=self.echoed)

    def leave(self) -> bytes:
        return json.dumps(self.echoed).encode()

    def start(self, left: bytes | None) -> None:
        self.echoed = 0 if left is None else json.loads(left)


COMMAND = Command("echod", SCHEMA, "Echoes.")

if __name__ == "__main__":
    sys.exit(main(EchoDaemon(), COMMAND, sys.argv[1:]))
