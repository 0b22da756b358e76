"""Around every request: its id, its place in the metrics, its line in the log."""

from __future__ import annotations

import asyncio
import logging

import pytest


@pytest.fixture
def count(registry):
    """Return a function that reads the counter of requests."""

    def run(route: str, method: str, status: int) -> float | None:
        labels = {"route": route, "method": method, "status": str(status)}
        return registry.get_sample_value("glyph_http_requests_total", labels)

    return run


@pytest.fixture
def records(caplog):
    """Return a function that reads the request lines from the log."""
    caplog.set_level(logging.DEBUG, "app.web.middleware.request_log")
    return lambda: [r for r in caplog.records if r.name == "app.web.middleware.request_log"]


@pytest.mark.parametrize("given", ["abc", "a" * 128, "2026-01-01T00:00:00.000_1:A"])
def test_a_request_id_is_taken(client, given):
    """A caller's id goes with the request all the way."""
    assert given == client.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"]


@pytest.mark.parametrize(
    "given", ["", "a" * 129, "with space", "<script>", 'quote"', "ü"], ids="{:.8}".format
)
def test_another_request_id_is_replaced(client, given):
    """What could not stand in a log or a header unquoted is not taken."""
    made = client.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"]

    assert given != made
    assert 16 == len(made)


def test_made_request_ids_differ(client):
    """Two requests are told apart."""
    ids = {client.get("/healthz").headers["X-Request-Id"] for _ in range(8)}

    assert 8 == len(ids)


def test_requests_are_counted_by_route_method_and_status(client, count):
    """Errors and refused methods as well."""
    client.get("/healthz")
    client.get("/healthz")
    client.post("/healthz")
    client.post("/predict")

    assert (2, None, 1) == (
        count("/healthz", "GET", 200),
        count("/healthz", "POST", 405),
        count("/predict", "POST", 415),
    )


def test_unknown_paths_and_methods_make_no_new_series(client, count):
    """Labels are from closed sets, whatever callers invent."""
    client.get("/a")
    client.get("/b")
    client.open("/a", method="BREW")

    assert (2, 1) == (count("unmatched", "GET", 404), count("unmatched", "_OTHER", 404))


def test_durations_are_observed_by_route(client, channel, registry, clock):
    """From the request's head to its answer, on the application's clock."""
    predict = channel.metrics
    channel.metrics = lambda deadline: (clock.tick(0.5), predict(deadline))[1]
    client.get("/metrics")

    labels = {"route": "/metrics"}
    assert 0.5 == registry.get_sample_value("glyph_http_request_seconds_sum", labels)
    assert 1 == registry.get_sample_value("glyph_http_request_seconds_count", labels)


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/predict"])
def test_a_request_is_in_progress_until_it_is_answered(client, registry, path):
    """However it ends."""
    client.get(path)

    assert 0 == registry.get_sample_value("glyph_http_requests_in_progress")


def test_a_request_is_in_progress_while_it_is_answered(client, channel, registry):
    """What /metrics sees of itself."""
    seen = []

    def look(_deadline):
        seen.append(registry.get_sample_value("glyph_http_requests_in_progress"))
        return b"# nothing\n"

    channel.metrics = look
    client.get("/metrics")

    assert [1] == seen


def test_good_requests_are_not_logged_by_default(client, records):
    """At thousands a second the log would be the service's main work."""
    client.get("/healthz")

    assert [] == records()


def test_every_request_is_logged_where_that_is_wanted(make_app, records):
    """A setting turns it on."""
    make_app(access_log="all").test_client().get("/healthz")

    assert ["GET /healthz 200 in 0.0 ms"] == [record.message for record in records()]


def test_a_line_has_its_facts_as_fields(client, channel, records, clock):
    """Programs need not take the sentence apart."""
    serving = channel.serving
    channel.serving = lambda *wanted, **which: (
        clock.tick(0.0123456),
        serving(*wanted, **which),
    )[1]
    client.post(
        "/predict",
        data=b"{}",
        content_type="application/json",
        headers={"X-Request-Id": "abc-1"},
        environ_overrides={"REMOTE_ADDR": "192.0.2.7"},
    )

    (record,) = records()
    assert ("INFO", "POST /predict 400 in 12.3 ms") == (record.levelname, record.message)
    assert ("abc-1", "192.0.2.7") == (record.request_id, record.client)
    assert ("/predict", 400) == (record.route, record.status)
    assert pytest.approx(0.012346) == record.duration_s


def test_a_failure_of_the_service_is_a_warning(client, channel, records):
    """A caller's mistake is not."""
    channel.error = ZeroDivisionError()
    client.get("/example")
    client.get("/nothing")

    assert [("WARNING", 500), ("INFO", 404)] == [(r.levelname, r.status) for r in records()]


def test_an_unknown_path_is_logged_quoted_and_short(client, records):
    """A path cannot forge a line of the log."""
    client.get("/" + "a" * 300)
    client.get("/x%0A%1B[31m")

    lines = [record.message for record in records()]
    assert [
        f"GET '/{'a' * 199}' 404 in 0.0 ms",
        r"GET '/x\n\x1b[31m' 404 in 0.0 ms",
    ] == lines
    assert {"unmatched"} == {record.route for record in records()}


def test_a_request_whose_client_went_away_is_counted(client, channel, count, registry, records):
    """As proxies count it: 499. Nothing is sent, and it is no longer in progress."""
    channel.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        client.get("/example")

    assert 1 == count("/example", "GET", 499)
    assert 0 == registry.get_sample_value("glyph_http_requests_in_progress")
    assert ["GET /example 499 in 0.0 ms"] == [record.message for record in records()]


def test_a_flood_of_refusals_does_not_flood_the_log(client, records, clock):
    """Ten lines of a kind in a second; the next one says how many were left out."""
    for _ in range(25):
        client.get("/nowhere")
    client.post("/healthz")
    clock.tick(1)
    client.get("/nowhere")

    assert [404] * 10 + [405, 404] == [record.status for record in records()]
    assert ", after 15 more that are not logged" in records()[-1].getMessage()
    assert 15 == records()[-1].left_out
