"""The client in a program that has nothing of the service, and an `app` of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from client.tests.fakes import answer

CLIENT = Path(__file__).parents[1]
OF_THE_SERVICE = {
    "PIL",  # only a caller who hands in its images has it
    "flask",
    "gunicorn",
    "model_store",
    "openvino",
    "orjson",
    "prometheus_client",
    "pydantic",
    "training",
    "uvloop",
}
PROGRAM = """
import asyncio, json, sys
sys.path[:0] = sys.argv[1:3]  # -I leaves out the current directory and PYTHONPATH
import app
from glyph_client import AsyncGlyph, Glyph

image = [[2, 2], [2, 2]]

async def predict():
    async with AsyncGlyph(sys.argv[3]) as glyph:
        return await glyph.predict(image)

with Glyph(sys.argv[3]) as glyph:
    labels = [glyph.predict(image).label, asyncio.run(predict()).label]
files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps({"labels": labels, "app": app.NAME, "files": files}))
"""


class Stub(BaseHTTPRequestHandler):
    """Answers every POST with one prediction."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        response = answer([2])
        self.send_response(response.status_code)
        for header in response.headers.items():
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(response.content)

    def log_message(self, *_message):
        pass


@pytest.fixture
def url():
    """Return the address of a server that answers every prediction."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_client_works_without_the_service(url, tmp_path):
    """It loads nothing of it, and takes nobody's package name but its own."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text('NAME = "an app of its own"\n')

    ran = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, str(tmp_path), str(CLIENT), url],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert "" == ran.stderr
    found = json.loads(ran.stdout)
    assert ["star", "star"] == found["labels"]
    assert "an app of its own" == found["app"]
    assert set() == {name.partition(".")[0] for name in found["files"]} & OF_THE_SERVICE
    service = str(CLIENT.parent / "app")
    assert [] == [file for file in found["files"].values() if file and file.startswith(service)]
    assert ["app"] == [name for name in found["files"] if name.partition(".")[0] == "app"]
