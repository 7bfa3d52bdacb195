"""What the daemon is to do: its options, those of the environment, the file, and the defaults."""

from __future__ import annotations

from typing import Any, NamedTuple

from oncrpc.daemon.config import read as policyfile
from oncrpc.daemon.config.layers import (
    FAMILIES,
    Address,
    Family,
    FilePath,
    Startup,
    UserName,
    settled,
)
from oncrpc.daemon.config.values import Config, StartError
from oncrpc.portmap.config import Policy

OPTION, VARIABLE = "option", "PORTMAP_OPTIONS"
"""Where options are given: on the command line, or in the variable of this name."""

FILE = "file"
PATHS = ("warm_start", "state_dir", "pid_file")
SAME = (
    "port", "loopback", "local", "insecure", "remote_calls", "state", "verbose", "log_format",
)  # fmt: skip
"""Options that are called as the keys are, and mean the same."""


class Asked(NamedTuple):
    """The options that were given, by where they were; what is first is asked first."""

    layers: dict[str, dict[str, Any]]

    def by(self, name: str) -> str | None:
        """Where an option was given; None if nowhere."""
        return next((layer for layer, given in self.layers.items() if name in given), None)

    def get(self, name: str) -> Any:
        """The value of an option; None if it was not given."""
        layer = self.by(name)
        return None if layer is None else self.layers[layer][name]

    def startup(self, file: Startup) -> dict[str, Startup]:
        """The layers of what a daemon starts with, down to the file."""
        options = {layer: _startup(given) for layer, given in self.layers.items()}
        return {**options, FILE: file}


class Settings(NamedTuple):
    """What holds. ``fault`` is what is wrong with the file, which then says nothing."""

    config: Config
    verbose: bool
    log_format: str
    fault: StartError | None = None


def settings(asked: Asked) -> Settings:
    """What the options ask for, and the file where they leave it open."""
    fault = None
    try:
        policy = policyfile.load(asked.get("config"))
    except policyfile.PolicyError as error:
        policy, fault = Policy(), error
    said = settled(asked.startup(policy.daemon))
    return Settings(
        configuration(asked, policy.daemon), bool(said.verbose), said.log_format or "text", fault
    )


def configuration(asked: Asked, file: Startup) -> Config:
    """The same, as the daemon wants it."""
    said = settled(asked.startup(file))
    families = tuple(FAMILIES[each] for each in FAMILIES if each in (said.families or FAMILIES))
    chosen = {
        "port": said.port,
        "hosts": said.hosts,
        "families": families,
        "local": said.local,
        "insecure": said.insecure,
        "remote_calls": said.remote_calls,
        "user": said.user,
        "warm_start": said.warm_start,
        "pid_file": said.pid_file,
        "state_dir": said.state_dir,
        "keep_state": said.state,
        "policy": asked.get("config"),
        "liveness_interval": asked.get("liveness"),
        "watch": asked.get("watch"),
        "web": asked.get("web"),
    }
    return Config(**{name: _plain(value) for name, value in chosen.items() if value is not None})


def _plain(value: Any) -> Any:
    """A path or a name as mere text: the daemon tells of it in JSON, which has no other."""
    return str(value) if isinstance(value, FilePath | UserName) else value


def _startup(given: dict[str, Any]) -> Startup:
    """What options say of what is in the file's table too."""
    families = tuple(Family(each) for each in FAMILIES if given.get(each))
    bind = tuple(map(Address, given.get("bind", ())))
    named: dict[str, Any] = {name: FilePath(given[name]) for name in PATHS if name in given}
    same = {name: given[name] for name in SAME if name in given}
    return Startup(
        bind=bind or None,
        families=families or None,
        user=UserName(given["user"]) if "user" in given else None,
        **named,
        **same,
    )
