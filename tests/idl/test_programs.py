"""Programs: versions, clients, services."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oncrpc.errors import ProcedureUnavailable
from oncrpc.idl import compile_text
from support.compiled import body_of, module_of

CALCULATOR = """
struct pair { int a; int b; };
/* Reckons. */
program CALC {
	/* The first. */
	version CALC_V1 {
		void NULL(void) = 0;
		/* The sum. */
		int ADD(int a, int b) = 1;
		pair SWAP(pair) = 2;
		string<20> NAME(int, string, pair *) = 0x3;
	} = 1;
	version CALC_V2 {
		void RESET() = 1;
	} = 2;
} = 0x20000001;
"""


def test_a_version_has_its_clients_and_service() -> None:
    assert """# Reckons.
CALC = 0x20000001""" in body_of(CALCULATOR)
    assert '''class CALC_V1(Version, prog=CALC, vers=1):
    """The first."""

    NULL = Procedure[None](0)
    ADD = Procedure[int, int, int](1, Int, Int, result=Int)
    SWAP = Procedure[pair, pair](2, pair, result=pair)
    NAME = Procedure[bytes, int, bytes, pair | None](
        3,
        Int,
        String,
        pair | None,
        result=Annotated[bytes, xdr.string(20)],
    )

    class Client(rpc.Client):
        """Calls CALC version 1."""

        blocking: ClassVar[type[CALC_V1.SyncClient]]

        async def NULL(self) -> None:
            await self.call(CALC_V1.NULL)

        async def ADD(self, a: int, b: int) -> int:
            """The sum."""
            return await self.call(CALC_V1.ADD, a, b)

        async def SWAP(self, arg: pair) -> pair:
            return await self.call(CALC_V1.SWAP, arg)

        async def NAME(self, arg1: int, arg2: bytes, arg3: pair | None) -> bytes:
            return await self.call(CALC_V1.NAME, arg1, arg2, arg3)

    class SyncClient(rpc.SyncClient):
        """Calls CALC version 1, blocking."""

        client: CALC_V1.Client

        def NULL(self) -> None:
            self.call(CALC_V1.NULL)

        def ADD(self, a: int, b: int) -> int:
            """The sum."""
            return self.call(CALC_V1.ADD, a, b)

        def SWAP(self, arg: pair) -> pair:
            return self.call(CALC_V1.SWAP, arg)

        def NAME(self, arg1: int, arg2: bytes, arg3: pair | None) -> bytes:
            return self.call(CALC_V1.NAME, arg1, arg2, arg3)

    class Service(rpc.Service):
        """Serves CALC version 1."""

        def NULL(self, call: Call) -> Answer[None]:
            return None

        def ADD(self, call: Call, a: int, b: int) -> Answer[int]:
            """The sum."""
            raise ProcedureUnavailable
''' in body_of(CALCULATOR)


class Wire:
    """A link that remembers the call."""

    async def call(self, procedure: Any, *arguments: Any) -> Any:
        return repr(procedure), arguments


LONG = "some_structure_with_a_name_of_forty_letters"


@pytest.mark.slow
@pytest.mark.parametrize("count", range(8))
def test_long_procedures_are_formatted(count: int, tmp_path: Path) -> None:
    parameters = ", ".join([LONG] * count) or "void"
    version = f"version V {{ {LONG} F({parameters}) = 1; }} = 1;"
    text = f"struct {LONG} {{ int a; }}; program P {{ {version} }} = 1;"
    (tmp_path / "made.py").write_text(compile_text(text, "made.x"))
    command = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", "--line-length=100"]

    done = subprocess.run([*command, str(tmp_path)], capture_output=True, check=False)

    assert done.returncode == 0


def test_a_client_calls_its_procedures() -> None:
    module = module_of(CALCULATOR)

    answer = asyncio.run(module.CALC_V1.Client(Wire()).ADD(1, 2))

    assert answer == ("CALC_V1.ADD", (1, 2))


def test_a_service_has_only_overridden_procedures() -> None:
    service = module_of(CALCULATOR).CALC_V1.Service()

    assert list(service.handlers()) == [0]
    assert service.NULL(None) is None
    with pytest.raises(ProcedureUnavailable):
        service.ADD(None, 1, 2)


def test_several_arguments_follow_one_another() -> None:
    procedure = module_of(CALCULATOR).CALC_V1.ADD

    assert procedure.encode_arguments((1, 2)) == bytes([0, 0, 0, 1, 0, 0, 0, 2])


@pytest.mark.parametrize(
    ("idl", "python"),
    [
        ("void call(void) = 1;", "call_ = Procedure[None](1)"),
        ("void F(int call, int self, int from) = 1;",
         "def F(self, call: Call, call_: int, self_: int, from_: int)"),
        ("void F(opaque) = 1;", "F = Procedure[None, bytes](1, Opaque)"),
        ("void F(opaque x[4], int y<2>) = 1;", "def F(self, x: bytes, y: list[int]) -> None:"),
        ("opaque F(struct pair p, enum e e) = 1;",
         "F = Procedure[bytes, pair, e](1, pair, e, result=Opaque)"),
        ("pair pair(pair) = 1;", "pair = Procedure[_pair, _pair](1, _pair, result=_pair)"),
        ("list LIST(void) = 1;", "LIST = Procedure[list[node]](1, result=list_)"),
        ("int options(void) = 1;", "options_ = Procedure[int](1, result=Int)"),
        ("int with_options(void) = 1;", "with_options_ = Procedure[int](1, result=Int)"),
        ("int client(void) = 1;", "client_ = Procedure[int](1, result=Int)"),
        ("int __priv(void) = 1;", "__priv__ = Procedure[int](1, result=Int)"),
        ("int V(void) = 1;", "V_ = Procedure[int](1, result=Int)"),
        ("int blocking(void) = 1;", "blocking_ = Procedure[int](1, result=Int)"),
        ("int SyncClient(void) = 1;", "SyncClient_ = Procedure[int](1, result=Int)"),
        ("int rpc(void) = 1;", "rpc_ = Procedure[int](1, result=Int)"),
        ("int Procedure(int) = 1;", "Procedure_ = Procedure[int, int](1, Int, result=Int)"),
        ("int *F(void) = 1;", ""),
    ],
)  # fmt: skip
def test_a_procedure_has_its_types(idl: str, python: str) -> None:
    types = """struct pair { int a; }; enum e { A };
    struct node { int a; node *next; }; typedef node *list;"""
    text = f"{types} program P {{ version V {{ {idl} }} = 1; }} = 1;"
    if not python:
        with pytest.raises(ValueError, match="expected"):
            body_of(text)
        return

    module_of(text)
    assert python in body_of(text)


def test_a_version_avoids_other_names_by_its_program() -> None:
    version = "version V { void N(void) = 0; } = 1;"
    module = module_of(f"program P {{ {version} }} = 1; program Q {{ {version} }} = 2;")

    assert (module.V.prog, module.Q_V.prog) == (1, 2)


def test_a_long_procedure_is_broken_at_its_parameters() -> None:
    name = "A" * 80

    body = body_of(
        f"program P {{ version V {{ int {name}(int first, int second) = 1; }} = 1; }} = 1;"
    )

    assert (
        f"""        async def {name}(
            self,
            first: int,
            second: int,
        ) -> int:
"""
        in body
    )
