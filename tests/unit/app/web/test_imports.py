"""What the parts of the web side load."""

import subprocess
import sys

import pytest

LISTING = "import sys\nprint(*sys.modules)"


def loaded_by(*modules):
    """Return the names of all modules that an interpreter has after importing some."""
    program = "\n".join([*(f"import {name}" for name in modules), LISTING])
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    return set(answer.stdout.split())


@pytest.mark.parametrize(
    ("module", "strangers"),
    [
        ("app.web.http.errors", {"flask", "werkzeug", "app.web.middleware"}),
        ("app.web.http.environ", {"flask", "werkzeug", "app.web.middleware"}),
        ("app.web.host_client.client", {"flask", "werkzeug", "app.web.inputs"}),
        ("app.web.host_client.blocking", {"flask", "werkzeug", "app.web.inputs"}),
        ("app.web.inputs.json_instances", {"flask", "werkzeug", "app.web.host_client"}),
        ("app.web.inputs.npy", {"flask", "werkzeug", "app.web.host_client"}),
        ("app.web.inputs.raw", {"flask", "werkzeug", "app.web.host_client"}),
        ("app.web.inputs.picture_reader", {"flask", "werkzeug", "app.web.host_client"}),
        ("app.web.inputs.multipart", {"flask", "app.web.host_client"}),
        ("app.web.http.flask_app", {"app.web.middleware"}),
        ("app.web.http.error_handlers", {"app.web.middleware"}),
        ("app.web.http.request_body", {"app.web.middleware"}),
        ("app.web.middleware.public_paths", {"app.web.api"}),
    ],
)
def test_a_part_of_the_web_side_does_not_load_what_it_must_not_know(module, strangers):
    """Inputs and the host's client know no web framework, and lower rooms none above them."""
    assert strangers.isdisjoint(loaded_by(module))
