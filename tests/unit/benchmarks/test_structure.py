"""The measures of a source tree count what a reader of it would count."""

from __future__ import annotations

import importlib
import sys
import threading

import pytest

from tests.benchmarks.structure.calls import Call, CallRecorder, Trip
from tests.benchmarks.structure.graph import folder_plan, read_plan
from tests.benchmarks.structure.sizes import read_sizes

pytestmark = pytest.mark.unit

MODULES = {
    "roomy/__init__.py": "",
    "roomy/door.py": (
        "from roomy.inner.desk import read\n"
        "from roomy import lamp\n"
        "def enter():\n"
        "    return [read(lamp.light()) for _ in range(2)]\n"
    ),
    "roomy/lamp.py": "def light():\n    return (lambda: 1)()\n",
    "roomy/inner/__init__.py": '"""Inner."""\n',
    "roomy/inner/desk.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from roomy.door import enter\n"
        "def read(value):\n"
        "    return _twice(value)\n"
        "def _twice(value):\n"
        "    return value * 2\n"
    ),
}


@pytest.fixture
def tree(tmp_path):
    """A package of four modules in two folders, which import each other."""
    for name, source in MODULES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path


@pytest.fixture
def door(tree, monkeypatch):
    """The package's entry, imported."""
    monkeypatch.syspath_prepend(tree)
    yield importlib.import_module("roomy.door")
    for name in [name for name in sys.modules if name.partition(".")[0] == "roomy"]:
        del sys.modules[name]


def named(trip):
    """Return the functions of a trip, in their order."""
    return [call.function for call in trip.calls]


def test_a_trip_holds_the_tree_s_functions_and_nothing_else(tree, door):
    recorder = CallRecorder([tree / "roomy"])

    with recorder.installed(), recorder.recording() as trip:
        door.enter()
        len(sys.path)

    assert ["enter", "light", "read", "_twice", "light", "read", "_twice"] == named(trip)
    assert (3, 4) == (trip.modules, trip.moves)


def test_modules_may_be_left_out_of_a_trip(tree, door):
    recorder = CallRecorder([tree / "roomy"])

    with recorder.installed(), recorder.recording(without=("roomy.inner",)) as trip:
        door.enter()

    assert ["enter", "light", "light"] == named(trip)


def test_a_trip_is_one_thread_s(tree, door):
    recorder = CallRecorder([tree / "roomy"])

    with recorder.installed(), recorder.recording("other") as trip:
        door.enter()
        other = threading.Thread(target=door.lamp.light, name="other")
        other.start()
        other.join()

    assert ["light"] == named(trip)


def test_a_generator_that_goes_on_is_one_call(tree):
    source = "def numbers():\n    yield 1\n    yield 2\n"
    scope = {"__name__": "roomy.numbers"}
    exec(compile(source, f"{tree}/roomy/numbers.py", "exec"), scope)  # noqa: S102
    recorder = CallRecorder([tree / "roomy"])

    with recorder.installed(), recorder.recording() as trip:
        assert list(scope["numbers"]()) == [1, 2]

    assert ["numbers"] == named(trip)


def test_a_move_is_a_call_in_another_module_than_the_call_before():
    trip = Trip([Call(module, "f") for module in "aabab"])

    assert (2, 3) == (trip.modules, trip.moves)


def test_rooms_are_what_lies_directly_inside(tree):
    plan = read_plan(tree, ("roomy",), "roomy")

    assert {"door", "lamp", "inner"} == plan.rooms
    assert {"door": {"inner", "lamp"}, "inner": {"door"}} == plan.arrows
    assert [{"door", "inner"}] == plan.cycles()


def test_a_facade_that_imports_is_a_room(tree):
    (tree / "roomy/__init__.py").write_text("from roomy import lamp\n")

    plan = read_plan(tree, ("roomy",), "roomy")

    assert {"lamp"} == plan.arrows["__init__"]


def test_folders_that_import_each_other_are_a_cycle(tree):
    assert [{"roomy", "roomy.inner"}] == folder_plan(tree, ("roomy",)).cycles()


def test_sizes_are_those_of_functions_modules_and_docstrings(tmp_path):
    (tmp_path / "one.py").write_text(
        "def f(a) -> int:\n"
        '    """Give what is had."""\n'
        "    return 1 if a and a > 1 else 2\n"
        "def g():\n"
        '    """Return it."""\n' + "\n" * 300
    )

    sizes = read_sizes(tmp_path, tmp_path.glob("*.py"))

    assert (1, 2) == (sizes.modules, sizes.functions)
    assert (3, 3) == (sizes.function_lines[-1], sizes.complexity + 1)
    assert (0.5, 0.5, 0.5) == (sizes.annotated, sizes.commanded, sizes.returning)
    assert 1000 / 6 == pytest.approx(sizes.what)
    assert ("one.py (305)",) == sizes.long_modules
