"""The command `glyph`: what all of its subcommands share."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from app.cli import SUBCOMMANDS, cli, main
from app.cli.lazy_group import LazyGroup, Subcommand

HEAVY = ("openvino", "tensorflow", "keras", "numpy", "flask", "gunicorn", "pydantic", "PIL")


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the command line and returns exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["glyph", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code or 0, *capsys.readouterr()

    return run


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["completion", "fish"]])
def test_help_imports_nothing_heavy(arguments):
    """It is there at once, whatever is installed."""
    code = (
        "import atexit, sys; from app.cli import main;"
        f"atexit.register(lambda: print('LOADED', [n for n in {HEAVY} if n in sys.modules]));"
        f"sys.argv = ['glyph', *{arguments}]; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "LOADED []" == done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "strangers"),
    [
        ("serve", ("openvino", "tensorflow", "numpy", "flask", "training")),
        ("models", ("openvino", "tensorflow", "flask", "training", "app.config")),
        ("keys", ("openvino", "tensorflow", "numpy", "flask", "training")),
        ("train", ("openvino", "tensorflow", "flask", "app.config")),
    ],
)
def test_a_subcommand_imports_only_what_it_needs(command, strangers):
    """Its help comes without the parts of the others."""
    code = (
        "import atexit, sys; from app.cli import main;"
        f"atexit.register(lambda: print('LOADED', [n for n in {strangers} if n in sys.modules]));"
        f"sys.argv = ['glyph', '{command}', '--help']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "LOADED []" == done.stdout.splitlines()[-1]


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_is_there(run, name):
    """Its name is in the help of the whole, and it has a help of its own."""
    code, out, _ = run(name, "--help")
    listed = run("--help")[1]

    assert (0, True) == (code, out.startswith(f"Usage: glyph {name} "))
    assert f"\n  {name} " in listed


def test_it_has_a_version(run):
    """That of the distribution."""
    code, out, _ = run("--version")

    assert (0, True) == (code, out.startswith("glyph, version "))


def test_without_a_subcommand_it_shows_help(run):
    """As for wrong usage."""
    code, _, err = run()

    assert (2, True) == (code, "Usage: glyph " in err)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["serv"], "glyph: No such command 'serv'. See 'glyph --help'.\n"),
        (["--port"], "glyph: No such option '--port'. See 'glyph --help'.\n"),
        (
            ["models", "show"],
            "glyph: Missing argument 'VERSION'. See 'glyph models show --help'.\n",
        ),
    ],
)
def test_wrong_usage_is_one_line(run, arguments, line):
    """It names where the help is."""
    assert (2, "", line) == run(*arguments)


@pytest.mark.parametrize("missing", ["pooch", "tensorflow.keras"])
def test_a_missing_extra_is_one_line(run, monkeypatch, missing):
    """It names the extra and the command that installs it."""

    def import_module(_name):
        raise ModuleNotFoundError(f"No module named '{missing}'", name=missing)

    monkeypatch.setattr("app.cli.lazy_group.import_module", import_module)

    line = "training needs the extra 'train'; install it with: pip install 'glyph[train]'"
    assert (2, "", f"glyph: {line}\n") == run("train", "--help")


def test_ctrl_c_waits_for_the_end_of_an_import(run, monkeypatch):
    """It would be a traceback in the middle of one."""
    finished = []

    def import_module(_name):
        signal.raise_signal(signal.SIGINT)
        finished.append(True)
        raise AssertionError

    monkeypatch.setattr("app.cli.lazy_group.import_module", import_module)

    code, out, err = run("models", "list")

    assert (130, "", "glyph: interrupted") == (code, out, err.strip())
    assert finished


def test_a_missing_package_is_named_also_once_a_subcommand_runs(run, monkeypatch):
    """TensorFlow is imported only when the data are known to be good."""

    def load(*_):
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")

    monkeypatch.setattr("training.cli.load", load)

    code, _, err = run("train", "--recipe", "softmax", "--data", "digits")
    assert (2, True) == (code, "needs the extra 'train'" in err)


@pytest.mark.parametrize(("command", "missing"), [("train", "training.x"), ("models", "pooch")])
def test_a_missing_module_of_our_own_is_a_bug(monkeypatch, command, missing):
    """No extra would mend it."""

    def import_module(_name):
        raise ModuleNotFoundError("No module", name=missing)

    monkeypatch.setattr("app.cli.lazy_group.import_module", import_module)
    with pytest.raises(ModuleNotFoundError):
        cli.main([command, "--help"], standalone_mode=False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(run, shell):
    """For each shell that click knows."""
    code, out, _ = run("completion", shell)

    assert (0, True) == (code, "_GLYPH_COMPLETE" in out)


def test_subcommands_are_completed(monkeypatch, capsys):
    """Without importing one."""
    monkeypatch.setenv("_GLYPH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "glyph mo")
    monkeypatch.setenv("COMP_CWORD", "1")
    group = LazyGroup("glyph", subcommands={"models": Subcommand("nowhere:cli", "Look.")})
    with pytest.raises(SystemExit):
        group.main([], prog_name="glyph")

    assert "plain,models\n" == capsys.readouterr().out


def test_no_color_is_respected(run, monkeypatch):
    """Whatever the output is."""
    seen = []
    monkeypatch.setattr(cli, "main", lambda **options: seen.append(options["color"]))
    for value in ("1", ""):
        monkeypatch.setenv("NO_COLOR", value)
        run()

    assert [False, None] == seen


def test_an_interruption_is_one_line(run, monkeypatch):
    """No traceback, and the exit code that shells expect."""

    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupt)

    assert (130, "", "glyph: interrupted\n") == run()
