"""Prometheus' rules and Grafana's dashboard speak of what the service exports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from app.config.settings import Settings
from app.host.metrics import HostMetrics
from app.host.shadow.metrics import ShadowMetrics
from app.web.factory import create_app
from app.web.middleware.metrics import WebMetrics
from app.web.prediction.routes import PREDICTION_ROUTES

RULE_TESTS = Path(__file__).with_name("alerts_test.yml")
METRIC = re.compile(r"\b(?:glyph_\w+|up)\b")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}


@pytest.fixture(scope="module")
def exported():
    """Return the name of every series in a scrape."""
    web, host = CollectorRegistry(), CollectorRegistry()
    WebMetrics(web)
    HostMetrics(host, waiting=lambda: 0)
    ShadowMetrics(host)
    families = [*web.collect(), *host.collect()]
    names = {f.name + suffix for f in families for suffix in SUFFIXES.get(f.type, ("",))}
    return names | {"glyph_build_info", "glyph_host_up", "up"}  # /metrics and Prometheus add these


@pytest.fixture(scope="module")
def routes():
    """Return every value that the label `route` may have."""
    app = create_app(Settings(), object(), WebMetrics(CollectorRegistry()))
    return {rule.rule for rule in app.url_map.iter_rules()} | {"unmatched"}


@pytest.fixture(scope="module")
def alerts(root):
    """Return the alert rules by name."""
    groups = yaml.safe_load((root / "deploy/prometheus/alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


@pytest.fixture(scope="module")
def dashboard(root):
    """Return the dashboard."""
    return json.loads((root / "deploy/grafana/dashboards/glyph.json").read_text())


@pytest.fixture(scope="module")
def charts(dashboard):
    """Return the panels with data."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


@pytest.fixture(scope="module")
def queries(charts):
    """Return every query of the dashboard."""
    return [target["expr"] for panel in charts for target in panel["targets"]]


@pytest.fixture
def promtool(root):
    """Return a function that runs promtool, where Prometheus is installed."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")

    def run(*arguments):
        command = ["promtool", *map(str, arguments)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stdout + done.stderr

    return run


def test_alerts_name_exported_metrics(alerts, exported):
    """No alert can be silent for ever because of a misspelt or renamed metric."""
    for rule in alerts.values():
        names = set(METRIC.findall(rule["expr"]))
        assert names
        assert set() == names - exported


def test_queries_name_exported_metrics(queries, exported):
    """No panel can be empty for ever because of a misspelt or renamed metric."""
    for query in queries:
        names = set(METRIC.findall(query))
        assert names
        assert set() == names - exported


def test_most_of_what_is_exported_is_shown(queries, exported):
    """A new metric comes with a panel, or is named here."""
    shown = {name for query in queries for name in METRIC.findall(query)}
    unseen = {"glyph_http_request_seconds_count", "glyph_http_request_seconds_sum"}
    unseen |= {"glyph_queue_wait_seconds_count", "glyph_queue_wait_seconds_sum"}
    unseen |= {"glyph_inference_seconds_count", "glyph_model_load_seconds_bucket"}
    unseen |= {"glyph_batch_seconds", "glyph_build_info", "glyph_store_last_look_age_seconds"}
    of_the_process = {name for name in exported if name.startswith("glyph_host_process_")}

    assert unseen == exported - shown - of_the_process


def test_rules_and_panels_select_the_routes_of_predictions_and_no_other(alerts, queries, routes):
    """Every selector takes all of them, or leaves out all of them, in both directions."""
    selectors = [
        found
        for query in [*queries, *(rule["expr"] for rule in alerts.values())]
        for found in re.findall(r'\broute([=!]~?)"([^"]*)"', query)
    ]

    assert {"=~", "!~"} == {operator for operator, _ in selectors}
    for _, pattern in selectors:
        assert set(PREDICTION_ROUTES) == {r for r in routes if re.fullmatch(pattern, r)}


def test_alerts_fire_and_stay_silent_on_every_route_of_predictions(promtool, tmp_path, root):
    """Prometheus evaluates the rules on series made for /predict, and on copies for the others."""
    document = yaml.safe_load(RULE_TESTS.read_text())
    document["rule_files"] = [str(root / "deploy/prometheus/alerts.yml")]
    for test in document["tests"]:
        test["input_series"] = for_every_route(test["input_series"])
        for case in test["alert_rule_test"]:
            case["exp_alerts"] = for_every_route(case["exp_alerts"])
    path = tmp_path / "alerts_test.yml"
    path.write_text(yaml.safe_dump(document))

    promtool("test", "rules", path)


def for_every_route(entries):
    """Copy the entries that speak of /predict for the other routes."""
    texts = {
        json.dumps(entry).replace('"/predict', f'"{route}').replace(" /predict ", f" {route} ")
        for entry in entries
        for route in PREDICTION_ROUTES
    }
    return [json.loads(text) for text in sorted(texts)]


def test_counters_are_shown_by_their_rise(queries):
    """What has been counted since a process started says nothing of now."""
    raw = re.compile(r"\w+_(?:total|sum|count|bucket)(?:\{[^}]*\})?(?!\{)(?!\w)")
    for query in queries:
        for found in raw.finditer(query):
            assert query[: found.start()].endswith(("rate(", "increase(")), query
            assert query[found.end() :].startswith("["), query


def test_alerts_say_who_should_come_and_what_to_do(alerts):
    """Every alert has a severity, a summary and a description."""
    for rule in alerts.values():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "description"} == set(rule["annotations"])


def test_every_alert_is_tried_firing_and_silent(alerts):
    """The rules' own tests leave none out."""
    cases = [
        case
        for test in yaml.safe_load(RULE_TESTS.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]

    assert set(alerts) == {case["alertname"] for case in cases if case["exp_alerts"]}
    assert set(alerts) == {case["alertname"] for case in cases if not case["exp_alerts"]}


def test_prometheus_takes_the_configuration(promtool):
    """Prometheus itself finds nothing to complain of, in the rules either."""
    promtool("check", "config", "deploy/prometheus/prometheus.yml")


def test_prometheus_takes_the_queries(promtool, queries, tmp_path):
    """Every query parses, once Grafana's variables are filled in."""
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$__\w+", "1m", query)}
        for number, query in enumerate(queries)
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    promtool("check", "rules", path)


def test_every_panel_explains_itself(charts):
    """Title, description, unit, and a legend for every line."""
    for panel in charts:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["legendFormat"] for target in panel["targets"])


def test_panels_ask_the_chosen_data_source(dashboard, charts, grafana_source):
    """The dashboard works with any Prometheus, and starts with the provisioned one."""
    variable = dashboard["templating"]["list"][0]

    assert "datasource" == variable["type"]
    assert grafana_source["uid"] == variable["current"]["value"]
    for panel in charts:
        sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
        assert {"${datasource}"} == {source["uid"] for source in sources}


def test_job_and_instance_are_chosen(dashboard, queries):
    """Every series that a panel shows is of the chosen ones; all are at first."""
    _, job, instance = dashboard["templating"]["list"]

    assert ("job", "label_values(glyph_host_up, job)") == (job["name"], job["definition"])
    assert ("instance", 'label_values(glyph_host_up{job=~"$job"}, instance)') == (
        instance["name"],
        instance["definition"],
    )
    for variable in (job, instance):
        assert ["$__all"] == variable["current"]["value"]
        assert variable["multi"]
        assert variable["includeAll"]
    for query in queries:
        for name in METRIC.finditer(query):
            chosen = '{job=~"$job", instance=~"$instance"'
            assert query[name.end() :].startswith(chosen), query


def test_panels_do_not_overlap(dashboard):
    """Every cell of the grid, 24 wide, belongs to one panel at most; ids are unique."""
    cells, ids = set(), set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        area = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert set() == area & cells
        cells |= area
        ids.add(panel["id"])

    assert len(dashboard["panels"]) == len(ids)


def test_rates_span_enough_scrapes(prometheus_config, grafana_source):
    """Grafana works out its rate interval from the real scrape interval."""
    interval = prometheus_config["global"]["scrape_interval"]

    assert interval == grafana_source["jsonData"]["timeInterval"]
