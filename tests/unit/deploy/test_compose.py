"""docker-compose.yml holds its services as tightly as it says."""

from __future__ import annotations

import re

import pytest

SERVICES = ("serve", "train", "prometheus", "grafana")
OWN = ("serve", "train")
SECONDS = re.compile(r"(\d+)s")


def test_the_services_are_the_four_known(compose):
    """No service is missing, and none slips past these tests."""
    assert set(SERVICES) == set(compose["services"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_restricted(compose, name):
    """A read-only root, no capability, no new privilege, and bounds on processes and memory."""
    service = compose["services"][name]

    assert service["read_only"] is True
    assert ["ALL"] == service["cap_drop"]
    assert ["no-new-privileges:true"] == service["security_opt"]
    assert service["pids_limit"] > 0
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert not {"privileged", "user", "network_mode", "pid", "ipc"} & set(service)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only(compose, name):
    """Nothing listens on an address that others reach."""
    for port in compose["services"][name].get("ports", []):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OWN])
def test_images_of_others_are_pinned(compose, name):
    """A start next year pulls what was tried."""
    assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", compose["services"][name]["image"])


@pytest.mark.parametrize("name", OWN)
def test_own_images_are_stages_of_the_dockerfile(compose, dockerfile, root, name):
    """What compose builds is there to be built."""
    build = compose["services"][name]["build"]

    assert (root / build["dockerfile"]).is_file()
    assert any(line.endswith(f" AS {build['target']}") for line in dockerfile)


@pytest.mark.parametrize("name", OWN)
def test_own_services_share_the_store(compose, name):
    """What training publishes is where the service looks for it, whatever .env says."""
    service = compose["services"][name]

    assert "models:/models" in service["volumes"]
    assert "/models" == service["environment"]["GLYPH_STORE"]
    assert [{"path": ".env", "required": False}] == service["env_file"]
    assert any(mount.split(":")[0] == "/tmp" for mount in service["tmpfs"])  # noqa: S108


@pytest.mark.parametrize("name", SERVICES)
def test_files_and_volumes_that_are_mounted_exist(compose, root, name):
    """Every bind mount is a path of the repository, read-only; every other one a named volume."""
    for volume in compose["services"][name].get("volumes", []):
        source, _, options = volume.partition(":")
        if source.startswith("."):
            assert (root / source).exists()
            assert options.endswith(":ro")
        else:
            assert source in compose["volumes"]


def test_up_does_not_train(compose):
    """Training runs when it is asked for, and nothing waits for it."""
    services = compose["services"]

    assert ["train"] == services["train"]["profiles"]
    assert "restart" not in services["train"]
    assert not any("depends_on" in service for service in services.values())


def test_a_stop_waits_for_requests_in_flight(compose, gunicorn_config):
    """The engine kills later than gunicorn would, however long requests take."""
    grace_s = int(SECONDS.fullmatch(compose["services"]["serve"]["stop_grace_period"])[1])

    assert grace_s > gunicorn_config()["dirty_graceful_timeout"]


def test_health_in_compose_is_readiness(compose):
    """`up --wait` returns once predictions can be had."""
    assert "/readyz" == compose["services"]["serve"]["healthcheck"]["test"][-1]


def test_prometheus_scrapes_the_service(compose, prometheus_config):
    """The scraped address is the service's name and the port it binds."""
    port = compose["services"]["serve"]["environment"]["GLYPH_BIND"].rpartition(":")[2]

    assert [f"serve:{port}"] == prometheus_config["scrape_configs"][0]["static_configs"][0][
        "targets"
    ]


def test_grafana_asks_prometheus(compose, grafana_source):
    """The provisioned data source is compose's Prometheus, and Grafana finds its dashboard."""
    environment = compose["services"]["grafana"]["environment"]

    assert "http://prometheus:9090" == grafana_source["url"]
    assert (
        "/etc/grafana/dashboards/glyph.json"
        == (environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    )
    assert "Viewer" == environment["GF_AUTH_ANONYMOUS_ORG_ROLE"]
