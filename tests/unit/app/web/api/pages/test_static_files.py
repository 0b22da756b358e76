"""The files of the pages: their kinds, and how long browsers keep them."""

from __future__ import annotations

import pytest

from app.web.api.pages.static_files import StaticFiles, static_blueprint
from app.web.http.error_handlers import error_response
from app.web.http.errors import NotFoundError
from app.web.http.flask_app import FlaskApp


@pytest.fixture
def directory(tmp_path):
    """Lay out a page's files."""
    (tmp_path / "pages" / "parts").mkdir(parents=True)
    (tmp_path / "pages" / "page.js").write_text("import './parts/pen.js';\n")
    (tmp_path / "pages" / "page.css").write_text("body { margin: 0 }\n")
    (tmp_path / "pages" / "parts" / "pen.js").write_text("export const pen = 1;\n")
    (tmp_path / "pages" / "notes.py").write_text("secret = 1\n")
    (tmp_path / "secret.js").write_text("secret()\n")
    return tmp_path / "pages"


@pytest.fixture
def files(directory):
    return StaticFiles(directory)


@pytest.fixture
def browser(files):
    app = FlaskApp(__name__, static_folder=None)
    app.register_blueprint(static_blueprint(files))
    app.register_error_handler(NotFoundError, error_response)
    return app.test_client()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("page.js", "text/javascript; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("parts/pen.js", "text/javascript; charset=utf-8"),
    ],
)
def test_a_file_has_its_kind(browser, directory, name, kind):
    """Whatever the machine has in its table of kinds: modules of another kind do not run."""
    response = browser.get(f"/static/{name}")

    assert (200, kind) == (response.status_code, response.headers["Content-Type"])
    assert (directory / name).read_bytes() == response.data


def test_a_file_under_its_digest_is_kept_for_good(browser, files):
    """And so is what it imports by a relative name."""
    page, pen = files.url("page.js"), files.url("parts/pen.js")

    assert page.removesuffix("page.js") == pen.removesuffix("parts/pen.js")
    kept = [browser.get(url).headers["Cache-Control"] for url in (page, pen)]
    assert ["public, max-age=31536000, immutable"] * 2 == kept


def test_the_digest_changes_with_any_file(directory, files):
    """Modules of two editions are never mixed."""
    (directory / "parts" / "pen.js").write_text("export const pen = 2;\n")

    assert files.url("page.js") != StaticFiles(directory).url("page.js")


@pytest.mark.parametrize("path", ["page.js", "0123456789abcdef/page.js"], ids=["none", "old"])
def test_a_file_under_no_digest_of_today_is_asked_for_again(browser, path):
    """Answered, so that an open page lives through a release, but with a 304 once it is known."""
    first = browser.get(f"/static/{path}")
    again = browser.get(f"/static/{path}", headers={"If-None-Match": first.headers["ETag"]})

    assert (200, "no-cache") == (first.status_code, first.headers["Cache-Control"])
    assert (304, b"") == (again.status_code, again.data)


@pytest.mark.parametrize(
    "path",
    ["none.js", "notes.py", "parts", "../secret.js", "x/../../secret.js", "%2e%2e/secret.js"],
)
def test_nothing_else_is_served(browser, path):
    """No file of another kind, and nothing beside the directory."""
    response = browser.get(f"/static/{path}")

    assert 404 == response.status_code
    assert b"secret()" not in response.data


def test_a_page_cannot_name_a_file_that_is_missing(files):
    """The page's test fails, not its reader's browser."""
    with pytest.raises(KeyError):
        files.url("none.js")
