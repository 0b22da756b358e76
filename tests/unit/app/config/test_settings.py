"""Settings: read once from the environment, or refused in one clear line each."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.config.loading import load_settings, misspelt
from app.config.settings import Settings
from app.ipc.frames import encode_predict


@pytest.fixture
def complaint(monkeypatch, capsys):
    """Return a function that sets variables and returns the error that stops the start."""

    def run(**variables: object) -> str:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        with pytest.raises(SystemExit) as caught:
            load_settings()
        assert 2 == caught.value.code
        out, err = capsys.readouterr()
        assert "" == out
        return err

    return run


def test_every_setting_has_a_default():
    """A service starts without any."""
    settings = load_settings()

    assert ("127.0.0.1:8000", 0, 64) == (settings.bind, settings.web_workers, settings.max_batch)
    assert ("models", "mnist", None) == (settings.store, settings.model, settings.run_dir)


def test_variables_are_read_with_their_types(monkeypatch):
    """Each field is the variable of its name."""
    monkeypatch.setenv("GLYPH_STORE", "/srv/models")
    monkeypatch.setenv("GLYPH_MAX_BATCH", "8")
    monkeypatch.setenv("GLYPH_BATCH_WAIT_MS", "1.5")
    settings = load_settings()

    assert ("/srv/models", 8, 1.5) == (
        settings.store,
        settings.max_batch,
        settings.batch_wait_ms,
    )


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, 0.2),
        ({"store": "s3://bucket/models"}, 5.0),
        ({"store": "s3://bucket/models", "poll_interval_s": 1}, 1.0),
    ],
    ids=["directory", "URL", "given"],
)
def test_an_object_store_is_looked_at_less_often(given, seconds):
    """Every look costs requests."""
    assert seconds == Settings(**given).poll_every_s


def test_an_empty_variable_is_an_unset_one(monkeypatch):
    """An empty directory would be the current one, whose files would be wiped at the start."""
    monkeypatch.setenv("GLYPH_RUN_DIR", "")
    monkeypatch.setenv("GLYPH_MAX_BATCH", "")

    assert (None, 64) == (load_settings().run_dir, load_settings().max_batch)


def test_settings_do_not_change():
    """They are one frozen value."""
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.max_batch = 8


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("GLYPH_MAX_BATCH", "0", "input should be greater than or equal to 1"),
        ("GLYPH_MAX_BATCH", "4097", "input should be less than or equal to 4096"),
        (
            "GLYPH_MAX_BATCH",
            "many",
            "input should be a valid integer, unable to parse string as an integer",
        ),
        ("GLYPH_RUNTIME", "onnx", "input should be 'auto', 'openvino' or 'tensorflow'"),
        ("GLYPH_LOG_LEVEL", "INFO", "input should be 'debug', 'info', 'warning' or 'error'"),
        ("GLYPH_PUBLIC_KEYS", " , ", "paths of PEM files are expected, with commas"),
        ("GLYPH_POLL_INTERVAL_S", "0", "input should be greater than or equal to 0.05"),
        (
            "GLYPH_MODEL",
            "../Secret",
            "string should match pattern '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$'",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_it_may_be(complaint, name, value, expected):
    """One line on stderr, and exit code 2."""
    assert f"glyph: {name}={value!r}: {expected}\n" == complaint(**{name: value})


@pytest.mark.parametrize(
    "address",
    [
        *("8000", "localhost", "localhost:", ":8000", "a b:1", "::1:80", "h:65536", "h:²"),
        *("unix:", "unix:glyph.sock", "h:1,", "h:1,,h:2", "h:1 h:2"),
    ],
)
def test_a_wrong_address_is_refused(complaint, address):
    """An example says what is meant better than a pattern."""
    expected = "host:port is expected, such as 127.0.0.1:8000 or [::]:8000, or unix:/path; "
    expected += "several with commas"

    assert f"glyph: GLYPH_BIND={address!r}: {expected}\n" == complaint(GLYPH_BIND=address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0:8000", "localhost:1", "[::]:65535", "[fe80::1]:80"),
        *("unix:/run/glyph.sock", "127.0.0.1:80, [::1]:80,unix:/a b/c:1"),
    ],
)
def test_an_address_is_taken(monkeypatch, address):
    """Names, IPv4, IPv6 in its brackets, paths of sockets, and several of them."""
    monkeypatch.setenv("GLYPH_BIND", address)

    assert address == load_settings().bind


def test_an_address_that_stands_twice_is_refused(complaint):
    """It could be listened on only once."""
    expected = "glyph: GLYPH_BIND='h:1, h:1': h:1 stands twice; give each address once\n"
    assert expected == complaint(GLYPH_BIND="h:1, h:1")


def test_all_wrong_values_are_told_at_once(complaint):
    """An operator mends them in one go."""
    lines = complaint(GLYPH_MAX_BATCH="0", GLYPH_RUNTIME="onnx").splitlines()

    assert ["GLYPH_RUNTIME", "GLYPH_MAX_BATCH"] == [
        line.removeprefix("glyph: ").partition("=")[0] for line in lines
    ]


def test_settings_that_do_not_fit_together_are_refused(complaint):
    """A request larger than the queue could never be let in."""
    assert (
        "glyph: GLYPH_MAX_IMAGES=11 is more than GLYPH_QUEUE_LIMIT=10: "
        "the largest request could never be queued\n"
    ) == complaint(GLYPH_MAX_IMAGES=11, GLYPH_QUEUE_LIMIT=10)


@pytest.mark.parametrize(
    "token", ["short", "x" * 257, "spaces in the middle of it", "x" * 20 + "\n"]
)
def test_a_wrong_token_is_refused_and_not_repeated(complaint, token):
    """What may be wrong with it is told, and it may be nearly right."""
    expected = "16 to 256 printable ASCII characters without a space are expected"

    assert f"glyph: GLYPH_ADMIN_TOKEN: {expected}\n" == complaint(GLYPH_ADMIN_TOKEN=token)


def test_a_token_is_not_shown(monkeypatch):
    """Whoever logs the settings does not log it."""
    monkeypatch.setenv("GLYPH_ADMIN_TOKEN", "correct-horse-battery-staple")
    settings = load_settings()

    assert "correct" not in f"{settings!r} {settings} {settings.model_dump()}"
    assert "correct-horse-battery-staple" == settings.read_admin_token()


def test_a_token_is_read_from_a_file(monkeypatch, tmp_path):
    """Without the end of its line."""
    path = tmp_path / "token"
    path.write_text("correct-horse-battery-staple\n")
    monkeypatch.setenv("GLYPH_ADMIN_TOKEN_FILE", str(path))

    assert "correct-horse-battery-staple" == load_settings().read_admin_token()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"secret", "16 to 256 printable ASCII characters without a space are expected"),
        (b"\xff" * 20, "16 to 256 printable ASCII characters without a space are expected"),
    ],
    ids=["missing", "short", "no text"],
)
def test_a_file_without_a_token_is_refused(complaint, tmp_path, content, problem):
    """At the start, and without what stands in it."""
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)

    assert f"glyph: GLYPH_ADMIN_TOKEN_FILE='{path}': {problem}\n" == (
        complaint(GLYPH_ADMIN_TOKEN_FILE=path)
    )


def test_two_tokens_are_refused(complaint, tmp_path):
    """Nobody is to guess which one counts."""
    text = complaint(GLYPH_ADMIN_TOKEN="x" * 20, GLYPH_ADMIN_TOKEN_FILE=tmp_path)

    assert (
        "glyph: GLYPH_ADMIN_TOKEN and GLYPH_ADMIN_TOKEN_FILE are both set; set one of them\n"
        == (text)
    )


def test_there_is_no_token_unless_it_is_set():
    """So nothing can be changed."""
    assert Settings().read_admin_token() is None


def test_a_share_is_checked_at_the_start(complaint):
    """It shows what is expected."""
    text = complaint(GLYPH_CANARY="canary=110")

    assert text.startswith("glyph: GLYPH_CANARY='canary=110': label=percent or label=percent:Head")


def test_a_shadows_share_is_checked_at_the_start(complaint):
    """It shows what is expected, which is no header."""
    text = complaint(GLYPH_SHADOW="next=10:X-User")

    assert text.startswith("glyph: GLYPH_SHADOW='next=10:X-User': label=percent is expected")


def test_a_request_may_be_as_large_as_the_queue(monkeypatch):
    """The bound itself is within it."""
    monkeypatch.setenv("GLYPH_MAX_IMAGES", "10")
    monkeypatch.setenv("GLYPH_QUEUE_LIMIT", "10")

    assert 10 == load_settings().max_images


def test_the_largest_body_fits_a_frame():
    """JSON takes at least two characters for a pixel, so a body is more than its pixels."""
    settings = Settings(max_body_bytes=2**22)

    assert len(encode_predict(1, 1.0, 1, bytes(2**22))) <= settings.largest_frame_bytes


def test_small_bodies_leave_room_for_what_the_host_says():
    """Status, metrics and answers are no smaller where requests are."""
    small = Settings(max_body_bytes=1024, max_images=1)
    many = Settings(max_body_bytes=1024, max_images=100_000, queue_limit=100_000)

    assert small.largest_frame_bytes >= 2**20
    assert many.largest_frame_bytes >= 100_000 * 256 * 4


def test_a_slip_in_a_name_is_noticed():
    """What is nearly a setting is told with the setting; what is another program's is not."""
    names = ["GLYPH_MAX_BTACH", "GLYPH_MAX_BATCH", "GLYPH_DATA_DIR", "GLYPH_PORT", "MAX_BTACH"]

    assert {"GLYPH_MAX_BTACH": "GLYPH_MAX_BATCH"} == misspelt(names)


@pytest.mark.parametrize(
    ("cores", "threads", "workers", "streams"),
    [
        (1, 1, 1, 1),
        (2, 1, 1, 2),
        (2, 2, 1, 1),
        (3, 1, 2, 3),
        (4, 3, 1, 1),
        (8, 2, 4, 4),
        (64, 1, 4, 4),
    ],
)
def test_web_workers_and_streams_follow_the_cores(cores, threads, workers, streams):
    """At least one of each, and no more than can be of use."""
    settings = Settings(runtime_threads=threads)

    assert (workers, streams) == (settings.count_web_workers(cores), settings.count_streams(cores))


def test_a_number_of_web_workers_or_streams_is_taken_as_it_is():
    """Whatever the machine has."""
    settings = Settings(web_workers=3, runtime_streams=5)

    assert (3, 5) == (settings.count_web_workers(1), settings.count_streams(1))


@pytest.mark.parametrize(
    ("cores", "workers", "threads", "expected"),
    [(1, 0, 1, 1), (2, 0, 1, 1), (4, 2, 1, 2), (8, 0, 1, 4), (8, 0, 2, 2), (4, 6, 1, 1)],
)
def test_considerate_streams_leave_web_workers_a_core_each(cores, workers, threads, expected):
    """There is one at least."""
    settings = Settings(web_workers=workers, runtime_threads=threads)

    assert expected == settings.count_core_sparing_streams(cores)


def test_models_are_named_with_commas(monkeypatch):
    """Without any, every model of the store is served."""
    none = load_settings().model_names
    monkeypatch.setenv("GLYPH_MODELS", "mnist, shapes,mnist")

    assert ((), ("mnist", "shapes")) == (none, load_settings().model_names)


@pytest.mark.parametrize("names", ["mnist,", "mnist,../x", "mnist;shapes"])
def test_wrong_names_of_models_are_refused(complaint, names):
    """The one that is wrong is quoted."""
    assert "is no model name" in complaint(GLYPH_MODELS=names)


def test_the_default_model_is_one_of_those_served(complaint):
    """Else every plain request would be refused."""
    assert ("glyph: GLYPH_MODEL=mnist is none of GLYPH_MODELS=letters,shapes\n") == complaint(
        GLYPH_MODELS="letters,shapes"
    )


@pytest.mark.parametrize(
    ("text", "mnist", "shapes"),
    [
        ("latest", "latest", "latest"),
        ("latest:3", "latest:3", "latest:3"),
        ("all", "all", "all"),
        ("2,5", "2,5", "2,5"),
        ("mnist=latest:2;shapes=all", "latest:2", "all"),
        ("mnist=2,5; all", "2,5", "all"),
        ("shapes=all", "latest", "all"),
    ],
)
def test_models_have_policies(text, mnist, shapes):
    """One for all, or one each; a model without any has the newest version loaded."""
    settings = Settings(version_policy=text)

    assert (mnist, shapes) == (settings.policy_of("mnist"), settings.policy_of("shapes"))


FORMS = "latest, latest:N, all, or version numbers such as 2,5 are expected"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("newest", f"'newest' is no policy; {FORMS}"),
        ("latest:0", f"'latest:0' is no policy; {FORMS}"),
        ("2,", f"'2,' is no policy; {FORMS}"),
        ("mnist=", f"'' is no policy; {FORMS}"),
        ("mnist=all;;", f"'' is no policy; {FORMS}"),
        ("a/b=all", "'a/b' is no model name"),
        ("mnist=all;mnist=latest", "mnist has two policies"),
        ("all;latest", "every model has two policies"),
    ],
)
def test_a_wrong_policy_is_refused(complaint, text, problem):
    """It says what may stand there."""
    assert f"glyph: GLYPH_VERSION_POLICY={text!r}: {problem}\n" == complaint(
        GLYPH_VERSION_POLICY=text
    )


@pytest.mark.parametrize("rate", ["1/second", "100/minute", "5000/hour", "999999999/day"])
def test_a_rate_is_a_number_in_a_time(monkeypatch, rate):
    """In a second, a minute, an hour or a day."""
    monkeypatch.setenv("GLYPH_RATE_LIMIT", rate)

    assert rate == load_settings().rate_limit


@pytest.mark.parametrize("rate", ["100", "0/minute", "-1/minute", "100/fortnight", "1 per minute"])
def test_a_wrong_rate_is_refused(complaint, rate):
    """It says what is expected."""
    assert (
        f"glyph: GLYPH_RATE_LIMIT={rate!r}: a number of requests per second, minute, hour or day "
        "is expected, such as 100/minute\n"
    ) == complaint(GLYPH_RATE_LIMIT=rate)


@pytest.mark.parametrize("alone", ["GLYPH_TLS_CERT", "GLYPH_TLS_KEY"])
def test_certificate_and_key_belong_together(complaint, alone):
    """One without the other is a slip."""
    assert "glyph: GLYPH_TLS_CERT and GLYPH_TLS_KEY belong together; set both or neither\n" == (
        complaint(**{alone: "file.pem"})
    )


@pytest.mark.parametrize(
    "origins", ["*", "https://app.example", "https://a.example, http://[::1]:8080,HTTP://B:1"]
)
def test_origins_are_listed_with_commas(monkeypatch, origins):
    """Or all of them are meant."""
    monkeypatch.setenv("GLYPH_CORS_ORIGINS", origins)

    assert origins == load_settings().cors_origins


@pytest.mark.parametrize(
    ("origins", "problem"),
    [
        ("app.example", "'app.example' is no origin; * or origins are expected, such as "),
        ("https://app.example/", "'https://app.example/' is no origin; "),
        ("https://*.example", "'https://*.example' is no origin; "),
        ("https://a.example,", "'' is no origin; "),
        ("null", "'null' is no origin; "),
        ("*,https://a.example", "* is every origin; name it alone"),
    ],
)
def test_wrong_origins_are_refused(complaint, origins, problem):
    """The one that is wrong is quoted."""
    text = complaint(GLYPH_CORS_ORIGINS=origins)

    assert text.startswith(f"glyph: GLYPH_CORS_ORIGINS={origins!r}: {problem}")


@pytest.mark.parametrize(
    ("proxies", "problem"),
    [
        ("proxy.example", "'proxy.example' does not appear to be an IPv4 or IPv6 network; addr"),
        ("10.0.0.1/8", "10.0.0.1/8 has host bits set; addresses and networks are expected, such"),
        ("*", "'*' does not appear to be"),
    ],
)
def test_wrong_proxies_are_refused(complaint, proxies, problem):
    """Nobody is believed by accident."""
    text = complaint(GLYPH_TRUSTED_PROXIES=proxies)

    assert text.startswith(f"glyph: GLYPH_TRUSTED_PROXIES={proxies!r}: {problem}")
