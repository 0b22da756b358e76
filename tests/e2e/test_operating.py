"""How a running service is looked at and changed over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from functools import partial

import pytest
import requests

from tests.benchmarks.scenarios.states import wait_until_passed
from tests.service import PATIENCE_S, PATIENT, REST_S, ROOT, Clients, Service, wait_until
from tests.starter_store import MODEL, StarterStore

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - made up
COMMANDS = re.compile(
    r"^# Operate it over HTTP\n.*?```sh\n.*?```sh\n(.*?)```", re.DOTALL | re.MULTILINE
)


class Operator:
    """Orders changes, and asks for predictions."""

    def __init__(self, service, session):
        self.service = service
        self._session = session
        self._example = service.get("/example").json()

    def order(self, action, **fields):
        """Order a change of the model's versions; gives its audit line."""
        answer = self.post(f"/models/mnist/{action}", fields)
        assert 200 == answer.status_code, answer.text
        return answer.json()

    def post(self, path, body):
        """POST with the token."""
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Request-Timeout-Ms": "60000"}
        return self._session.post(
            self.service.url + path, json=body, headers=headers, timeout=PATIENCE_S
        )

    def model(self):
        """Return the description of the model."""
        return self.service.get("/models/mnist").json()

    def version(self, path="/predict", **headers):
        """Return the version that answers."""
        answer = self._session.post(
            self.service.url + path, json=self._example, headers=headers, timeout=PATIENCE_S
        )
        assert 200 == answer.status_code, answer.text
        return answer.json()["model"]["version"]

    def wait_for(self, condition, what):
        """Wait until what is told of the model is as it should be."""
        return wait_until(lambda: condition(self.model()), what)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Make a store with two good versions."""
    store = StarterStore(tmp_path_factory.mktemp("operated") / "models")
    store.seed_as_passed()
    store.publish()
    return store


@pytest.fixture(scope="module")
def service(store):
    """Run a service that has both versions in memory; give what is decided about them, too."""
    settings = PATIENT | {"admin_token": TOKEN, "version_policy": "all"}
    with Service(store.root, store.root.with_name("log"), **settings) as running:
        wait_until_passed(store, 2)
        yield running.ready(), store.control(MODEL)


@pytest.fixture
def two_versions(store, service):
    """Operate the service, with version 2 as default; what the test before changed is undone."""
    running, untouched = service
    store.change(MODEL, "restore", lambda _: untouched, by="test")
    with requests.Session() as session:
        operator = Operator(running, session)
        operator.wait_for(is_untouched, "nothing is changed")
        yield operator


def is_untouched(model):
    """Return whether a model is as it was published, by what is told of it."""
    states = {version["version"]: version["state"] for version in model["versions"]}
    changed = model["labels"] or model["traffic"]["canary"] or model["default_version"] != 2
    return states == {1: "serving", 2: "serving"} and not changed


def test_the_commands_of_the_guide_work(two_versions):
    """As they stand there, but for the port; each change is in the audit trail, by whom and why."""
    (commands,) = COMMANDS.findall((ROOT / "docs" / "guides" / "operating.md").read_text())
    lines = commands.replace("http://127.0.0.1:8000", two_versions.service.url).splitlines()
    asked = [line for line in lines if line.startswith(("curl ", "order "))]
    head = "\n".join(line for line in lines if line and line not in asked)
    answers = []
    for line in asked:
        done = subprocess.run(
            ["bash", "-c", f"{head}\n{line}"],
            env={"GLYPH_ADMIN_TOKEN": TOKEN, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_S,
        )
        answers.append(json.loads(done.stdout))

    version, *changes, index = answers
    assert ("serving", 64) == (version["state"], len(version["digest"]))
    assert ["pin", "canary", "canary", "promote", "rollback", "unpin"] == [
        change["action"] for change in changes
    ]
    first = changes[0]["generation"]
    assert sorted(change["generation"] for change in changes) == [c["generation"] for c in changes]
    assert first > 0
    assert "as good, and smaller" == changes[3]["reason"]
    assert (2, "anna@127.0.0.1") == (changes[3]["control"]["pinned"], changes[4]["by"])
    assert 1 == changes[4]["control"]["pinned"]
    assert {"mnist"} == {entry["name"] for entry in index}


def test_versions_and_labels_can_be_asked_for(two_versions):
    """While the default version is another; what is not there is not found."""
    two_versions.order("label", label="old", version=1)
    two_versions.wait_for(lambda m: m["labels"].get("old") == 1, "the label")
    paths = ["", "/versions/1", "/versions/2", "/labels/old"]

    assert [2, 1, 2, 1] == [two_versions.version(f"/models/mnist{path}/predict") for path in paths]
    for path, sentence in {
        "none/predict": "there is no model",
        "mnist/versions/3/predict": "version 3 does not serve, it is not loaded (available: 2, 1)",
        "mnist/labels/new/predict": "labels: old (version 1)",
    }.items():
        answer = two_versions.post(f"/models/{path}", {"instances": []})
        assert (404, True) == (answer.status_code, sentence in answer.json()["error"]), answer.text


def test_a_canary_gets_its_share_and_callers_stay(two_versions):
    """By request within four standard deviations; by header for good, also when it grows."""
    count = partial(two_versions.service.metric, "glyph_canary_requests_total", side="canary")
    before = count() or 0
    two_versions.order("pin", version=1)
    two_versions.order("canary", version=2, percent=20)
    two_versions.wait_for(
        lambda m: m["default_version"] == 1 and m["traffic"]["canary"], "the canary"
    )
    chosen = Counter(two_versions.version() for _ in range(1000))
    assert abs(chosen[2] - 200) <= 4 * (1000 * 0.2 * 0.8) ** 0.5

    users = [{"X-User": f"user-{number}"} for number in range(100)]
    on_canary = []
    for percent in (20, 60):
        two_versions.order("canary", version=2, percent=percent, sticky_header="X-User")
        two_versions.wait_for(
            lambda m, percent=percent: (
                m["traffic"]["canary"].get("sticky_header")
                and m["traffic"]["canary"]["percent"] == percent
            ),
            "the share",
        )
        versions = [{two_versions.version(**user) for _ in range(2)} for user in users]
        assert all(len(version) == 1 for version in versions)
        on_canary.append({n for n, version in enumerate(versions) if version == {2}})

    small, great = on_canary
    assert small < great
    taken = chosen[2] + 2 * len(small) + 2 * len(great)
    wait_until(lambda: before + taken == count(), "each worker has written what it counted")


def test_a_canary_ends_without_a_failed_answer(two_versions):
    """Whether it is turned off or quarantined while clients ask, the default version answers."""
    two_versions.order("pin", version=1)
    two_versions.wait_for(lambda m: m["default_version"] == 1, "the pin")

    with Clients(two_versions.service, 8, rest_s=REST_S) as clients:
        two_versions.order("canary", version=2, percent=50)
        wait_until(lambda: clients.answered(version=2) > 100, "answers by the canary")
        two_versions.order("quarantine", version=2, reason="it is slow")
        two_versions.wait_for(lambda m: m["versions"][0]["state"] == "refused", "the quarantine")
        clients.wait_for_more()

    assert [] == clients.failures
    assert "it is slow" in two_versions.model()["versions"][0]["reason"]


def test_a_model_is_unloaded_and_loaded(two_versions):
    """As clients of the Open Inference Protocol do it: after the load, predictions can be had."""
    assert 200 == two_versions.post("/v2/repository/models/mnist/unload", {}).status_code
    two_versions.wait_for(lambda m: not m["ready"] and not m["versions"], "unloaded")
    (entry,) = two_versions.post("/v2/repository/index", {}).json()
    assert ("mnist", "UNAVAILABLE") == (entry["name"], entry["state"])
    assert 503 == two_versions.service.predict({"instances": []}).status_code

    loaded = two_versions.post("/v2/repository/models/mnist/load", {})

    assert (200, "") == (loaded.status_code, loaded.text)
    assert two_versions.version() in {1, 2}


def test_a_refused_change_says_why(two_versions):
    """In the store's words, and nothing is changed."""
    before = two_versions.model()
    refused = two_versions.post("/models/mnist/promote", {"version": 9})

    assert 409 == refused.status_code
    assert "9" in refused.json()["error"]
    assert before == two_versions.model()


def test_nobody_changes_anything_without_the_token(two_versions):
    """And the log does not hold it."""
    url = f"{two_versions.service.url}/models/mnist/unpin"
    wrong = {"Authorization": "Bearer wrong-" + TOKEN}
    two_versions.order("pin", version=1)

    assert 401 == requests.post(url, timeout=PATIENCE_S).status_code
    assert 403 == requests.post(url, headers=wrong, timeout=PATIENCE_S).status_code
    assert 1 == two_versions.order("pin", version=1)["control"]["pinned"]
    assert TOKEN not in two_versions.service.log.read_text()
