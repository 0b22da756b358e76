"""The service below a path, behind a real nginx: its pages, its description, and predictions."""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
from urllib.parse import urljoin

import pytest
import requests

from tests.browsing import CHROMIUM, Watch, draw, read
from tests.handwriting import DIGITS
from tests.service import Service, free_port, wait_until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
HEADERS = """
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $scheme;
proxy_set_header X-Forwarded-Prefix /told;
"""
CONFIGURATION = """
daemon off;
user {user};
pid {directory}/pid;
error_log {directory}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /cut/ {{ proxy_pass http://unix:{socket}:/; }}
        location /told/ {{ {headers} proxy_pass http://unix:{socket}:/; }}
        location = /told {{ {headers} proxy_pass http://unix:{socket}:/; }}
    }}
}}
"""
SLOTS = ("/cut/", "/told/")
"""A proxy that only cuts the path off, and one that says which."""

pytestmark = [
    pytest.mark.skipif(NGINX is None, reason="there is no nginx"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium"),
]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """Start a service on a Unix socket and nginx before it; give nginx's address."""
    directory = tmp_path_factory.mktemp("prefix")
    socket, port = directory / "glyph.sock", free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(
            directory=directory,
            user=getpass.getuser(),
            socket=socket,
            port=port,
            headers=HEADERS,
        )
    )
    settings = {"bind": f"unix:{socket}", "trusted_proxies": "unix:"}
    with Service(directory / "models", directory / "log", **settings):
        nginx = subprocess.Popen([NGINX, "-p", directory, "-c", configuration])
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: _answers(f"{url}/cut/readyz"), "ready behind nginx")
            yield url
        finally:
            nginx.terminate()
            nginx.wait(60)


def _answers(url):
    try:
        return requests.get(url, timeout=10).ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def opened(browser, proxied):
    """Return a function that opens a page below a path; no request may fail, or leave that path."""
    watches = []

    def run(place):
        watches.append(Watch(browser, proxied + place))
        return watches[-1].open()

    yield run
    for watch in watches:
        watch.close()
    assert [] == [wrong for watch in watches for wrong in watch.wrong]


@pytest.mark.parametrize("place", [*SLOTS, "/told"])
def test_the_page_works_below_a_path(opened, proxied, place):
    """It draws, asks, and shows a command that works; everything comes from below the path."""
    page = opened(place)
    draw(page, DIGITS["7"])

    assert "7" == read(page)
    home = proxied + place.rstrip("/")
    command = page.inner_text("#command")
    assert f"curl -s {home}/example |" in command
    assert f" {home}/predict" in command
    links = page.locator("nav a").evaluate_all("links => links.map((link) => link.href)")
    assert [f"{home}/{name}" for name in ("docs", "openapi.json", "metrics")] == links


@pytest.mark.parametrize("place", SLOTS)
def test_the_docs_work_below_a_path(opened, proxied, place):
    """What is tried there is asked below it as well."""
    page = opened(place)
    page.goto(f"{proxied}{place}docs")
    predict = page.locator("#operations-Predictions-predict")
    predict.locator(".opblock-summary-control").click()
    predict.locator(".execute").click()
    answer = predict.locator(".live-responses-table .response").first
    answer.wait_for()

    assert "200" == answer.locator(".response-col_status").inner_text().strip()
    said = json.loads(answer.locator(".highlight-code pre").first.inner_text())
    assert "7" == said["predictions"][0]["label"]


@pytest.mark.parametrize("place", SLOTS)
def test_the_description_names_its_own_place(proxied, place):
    """A program that reads it finds the routes from there."""
    url = f"{proxied}{place}openapi.json"
    (server,) = requests.get(url, timeout=10).json()["servers"]
    home = urljoin(url, server["url"]).rstrip("/")

    assert proxied + place.rstrip("/") == home
    assert requests.get(f"{home}/healthz", timeout=10).ok


def test_a_name_may_be_encoded_behind_a_proxy(proxied):
    """Whether it decodes the path or hands it on as it came."""
    example = requests.get(f"{proxied}/cut/example", timeout=10).json()
    url = f"{proxied}/cut/v1/models/mnist%3Apredict"

    assert requests.post(url, json=example, timeout=10).ok
