"""The programs of the filter, as the kernel accepts them."""

from __future__ import annotations

import socket

from oncrpc.snoop.live.kernel_filter import MAX_KERNEL_HOSTS, attach, nothing, program_for

STEP = 8
"""Bytes of an instruction."""


def test_kernel_accepts_program_for_most_hosts() -> None:
    hosts = [f"2001:db8::{number}" for number in range(1, MAX_KERNEL_HOSTS + 1)]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        attach(sock, program_for(hosts, place=14, most=100))


def test_further_hosts_leave_the_choice_to_us() -> None:
    hosts = [f"192.0.2.{number}" for number in range(MAX_KERNEL_HOSTS + 1)]

    assert program_for(hosts, place=14, most=100) == program_for((), place=14, most=100)


def test_program_that_accepts_nothing_is_one_step() -> None:
    assert len(nothing()) == STEP
