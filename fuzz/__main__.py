"""What does any input make the port mapper do that is not declared?

    python -m fuzz [TARGET]... [--seconds N] [--seed N] [--input N]

The targets share the seconds. A find is written to tests/corpus, where a test runs it from then on,
and shown with what reproduces it; the exit status is 1. ``--input N`` runs that one input only.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import sys
import time
import traceback

from fuzz import (
    acl_calls,
    captures,
    datagrams,
    explanations,
    exports_files,
    hosts_files,
    interfaces,
    lock_calls,
    message_words,
    mounts,
    nfs_calls,
    policy_files,
    quota_calls,
    records,
    state_files,
    status_calls,
)
from fuzz.driver import Find, attempt, keep, made, search

MODULES = (
    datagrams, records, state_files, hosts_files, policy_files, interfaces, mounts, nfs_calls,
    exports_files, acl_calls, quota_calls, status_calls, lock_calls,
    captures, message_words, explanations,
)  # fmt: skip
TARGETS = {module.TARGET.name: module.TARGET for module in MODULES}
SECONDS = 600.0
MOST_MEMORY = 2 << 30


def main(arguments: list[str]) -> int:
    """Run the targets; the exit status."""
    options = _options(arguments)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    names, status = options.target or list(TARGETS), 0
    print(f"seed {options.seed}, {options.seconds:g} s", flush=True)
    for name in names:
        target, began = TARGETS[name], time.monotonic()
        if options.input is not None:
            data = made(target, options.seed, options.input)
            found: Find | int = attempt(target, data) or 1
        else:
            found = search(target, options.seed, seconds=options.seconds / len(names))
        if isinstance(found, Find):
            status = 1
            _tell(found)
        else:
            print(f"{name}: {found} inputs, {found / (time.monotonic() - began):.0f} a second")
    return status


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz")
    parser.add_argument("target", nargs="*", choices=[*TARGETS, []])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--input", type=int)
    return parser.parse_args(arguments)


def _tell(found: Find) -> None:
    print(f"{found.target}: {found.error!r}; the input is in {keep(found)}")
    traceback.print_exception(found.error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
