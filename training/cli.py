"""glyph train: fit a network as a recipe says and publish it as the next version of a model.

TensorFlow is imported only once the arguments and the data are known to be good.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

import click

from imaging.preparation import Kind
from model_store import StoreError
from model_store.cli.options import store_option
from model_store.signing.signatures import sign_with
from model_store.version.drafts import unsigned
from training import recipes
from training.data.sources import load
from training.errors import TrainingError
from training.native_stderr import capture_native_stderr

if TYPE_CHECKING:
    from types import FrameType

    from model_store import Store
    from model_store.version.drafts import SignHook
    from training.data.dataset import ImageData
    from training.pipeline import Outcome
    from training.recipes import Recipe

FAILED = 1
INTERRUPTED = 130
TERMINATED = 143


class _Terminated(BaseException):
    """Raised where the process was when SIGTERM came."""


def _ended(message: str, code: int) -> click.ClickException:
    """Return the error of a training that ended without a version, with its exit code."""
    error = click.ClickException(message)
    error.exit_code = code  # type: ignore[misc] # click reads it of the instance
    return error


class _Training(click.Command):
    """Reports an expected error, and the signals that end training, each with an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(ctx)
        except (TrainingError, StoreError, OSError) as exc:  # OSError: a full disk, a missing right
            raise _ended(str(exc), FAILED) from exc
        except (KeyboardInterrupt, click.Abort) as exc:
            raise _ended("interrupted; nothing was published", INTERRUPTED) from exc
        except _Terminated as exc:
            raise _ended("terminated; nothing was published", TERMINATED) from exc


@click.command(cls=_Training, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--recipe", required=True, type=click.Choice(recipes.names()), help="How to train.")
@click.option(
    "--data",
    "source",
    default="mnist",
    show_default=True,
    help="mnist, fashion-mnist, digits (needs no network), or a path: an IDX directory, "
    "a directory with a folder of images per class, or an .npz file.",
)
@click.option(
    "--data-dir",
    envvar="GLYPH_DATA_DIR",
    show_envvar=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory that holds the four files of mnist or fashion-mnist; else they are downloaded.",
)
@store_option
@click.option(
    "--model",
    envvar="GLYPH_MODEL",
    show_envvar=True,
    default="mnist",
    show_default=True,
    help="Model to publish a version of.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, 2**31 - 1),
    help="Of all randomness.",
)
@click.option(
    "--sign-key",
    envvar="GLYPH_SIGNING_KEY",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="PEM file with the private key to sign the version with.",
)
@click.option(
    "--preparation",
    type=click.Choice(get_args(Kind)),
    help="How a folder's pictures become pixels, in training and when the version serves: digit "
    "finds, crops and centres ink as MNIST does; fit scales the whole picture to 28 x 28; exact "
    "takes pictures of one size pixel for pixel. By default it is chosen by looking at them.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Fit for so many batches instead.")
@click.option("--epochs", type=click.IntRange(min=1), help="Fit for so many passes instead.")
def cli(
    *,
    recipe: str,
    source: str,
    data_dir: Path | None,
    store: Store,
    model: str,
    seed: int,
    sign_key: Path | None,
    preparation: Kind | None,
    steps: int | None,
    epochs: int | None,
) -> None:
    """Train a network and publish it as the next version of a model.

    Exit codes: 0 published, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated. Whenever
    it is not 0, nothing was published.

    \b
    Examples:
      glyph train --recipe softmax --data digits --model digits   # seconds, no network
      glyph train --recipe compact                     # the starter model's recipe
      glyph train --recipe cnn --data ./my-images --model letters
    """  # noqa: D301 - to click, the backspace character keeps the lines below apart
    if steps is not None and epochs is not None:
        raise click.UsageError("give --steps or --epochs, not both")
    chosen = recipes.read(recipe).lasting(steps=steps, epochs=epochs)
    sign_hook = _sign_hook(sign_key)
    data = load(source, data_dir, preparation)
    click.echo(f"{recipe}: {chosen.summary}")
    click.echo(f"{data.name}: {len(data.train):,} training and {len(data.test):,} test images")
    if data.preparation is not None:
        size = " x ".join(map(str, data.train.images.shape[1:]))
        click.echo(f"preparation: {data.preparation.kind} to {size}; {data.reason}")
    outcome = _train(chosen, data, store, model, seed=seed, sign_hook=sign_hook)
    _summarize(outcome, model)


def _sign_hook(sign_key: Path | None) -> SignHook:
    """Read the key first: nobody fits for hours for a version that cannot be signed."""
    if sign_key is None:
        return unsigned
    from model_store.signing.keys import PrivateKey  # noqa: PLC0415 - slow, and seldom needed

    return sign_with(PrivateKey.read(sign_key))


def _train(
    recipe: Recipe, data: ImageData, store: Store, model: str, *, seed: int, sign_hook: SignHook
) -> Outcome:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read when TensorFlow is imported
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's keras.json says
    click.echo("loading TensorFlow ...", err=True)
    with capture_native_stderr():
        from training.pipeline import run  # noqa: PLC0415
        from training.progress import Progress  # noqa: PLC0415

    progress = Progress(recipe)
    try:
        return run(
            recipe,
            data,
            store,
            model,
            seed=seed,
            callbacks=[progress],
            before_commit=_ignore_signals,
            sign_hook=sign_hook,
        )
    finally:
        progress.close()


def _summarize(outcome: Outcome, model: str) -> None:
    metrics = outcome.metrics
    low, high = metrics.interval_95
    click.echo(
        f"\npublished {model} version {outcome.version}\n"
        f"  accuracy  {metrics.accuracy:.2%} of {metrics.total:,} test images"
        f" (95 % interval {low:.2%} to {high:.2%})\n"
        f"  duration  {time.strftime('%H:%M:%S', time.gmtime(outcome.duration_s))}\n"
        f"  where     {outcome.path}\n"
        f"  report    {outcome.path / 'report'}"
    )


def _ignore_signals() -> None:
    """Make the commit the point of no return.

    An interruption inside it would be reported as "nothing was published", which might be false.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise _Terminated
