"""The paths of TensorFlow Serving's REST API, and only those."""

from __future__ import annotations

import pytest

from app.web.api.tensorflow_serving.errors import InvalidArgumentError, ServableNotFoundError
from app.web.api.tensorflow_serving.paths import ParsedPath, parse
from app.web.prediction.predictor import ModelRef

MODEL = "/v1/models/shapes"


@pytest.mark.parametrize("method", ["predict", "classify", "regress"])
@pytest.mark.parametrize(
    ("which", "version", "label"),
    [("", None, None), ("/versions/7", 7, None), ("/labels/stable", None, "stable")],
)
def test_a_prediction_is_asked_of_a_model_a_version_or_a_label(method, which, version, label):
    """With the method behind a colon."""
    assert ParsedPath(method, "shapes", version, label) == parse("POST", f"{MODEL}{which}:{method}")


@pytest.mark.parametrize(("part", "action"), [("", "status"), ("/metadata", "metadata")])
@pytest.mark.parametrize(
    ("which", "version", "label"),
    [("", None, None), ("/versions/007", 7, None), ("/labels/a.b", None, "a.b")],
)
def test_what_is_known_is_asked_likewise(part, action, which, version, label):
    """Of the same three."""
    assert ParsedPath(action, "shapes", version, label) == parse("GET", f"{MODEL}{which}{part}")


@pytest.mark.parametrize(
    ("method", "path", "parsed"),
    [
        ("GET", "/V1/Models/Shapes", ParsedPath("status", "Shapes", None, None)),
        ("POST", "/v1/MODELS/s/VERSIONS/2:predict", ParsedPath("predict", "s", 2, None)),
        ("GET", "/v1/models/s/Labels/L/metadata", ParsedPath("metadata", "s", None, "L")),
        ("GET", "/v1/models/s/METADATA", ParsedPath("status", "s", None, None)),
        ("GET", "/v1/models/metadata", ParsedPath("status", "metadata", None, None)),
    ],
)
def test_the_case_of_a_path_does_not_count(method, path, parsed):
    """That of names does; and as there, METADATA in capitals is taken for the status."""
    assert parsed == parse(method, path)


@pytest.mark.parametrize(
    ("path", "parsed"),
    [
        ("/v1/models/a%2Fb%3Ac", ParsedPath("status", "a/b:c", None, None)),
        ("/v1/models/m/labels/be%20st", ParsedPath("status", "m", None, "be st")),
        ("/v1/models/\xc3\xa9", ParsedPath("status", "é", None, None)),
    ],
)
def test_names_are_decoded(path, parsed):
    """After the path was taken apart."""
    assert parsed == parse("GET", path)


@pytest.mark.parametrize(
    ("path", "parsed"),
    [
        (f"{MODEL}%3Apredict", ParsedPath("predict", "shapes", None, None)),
        (f"{MODEL}/versions/7%3apredict", ParsedPath("predict", "shapes", 7, None)),
        (f"{MODEL}/labels/be%20st%3Aclassify", ParsedPath("classify", "shapes", None, "be st")),
        ("/%76%31/mod%65ls/sh%61pes:pre%64ict", ParsedPath("predict", "shapes", None, None)),
        (f"{MODEL}/versions/%37:predict", ParsedPath("predict", "shapes", 7, None)),
        ("/v1/models/a%3Ab:predict", ParsedPath("predict", "a:b", None, None)),
        ("/v1/models/a%252Fb:predict", ParsedPath("predict", "a%2Fb", None, None)),
    ],
)
def test_any_character_may_be_encoded(path, parsed):
    """As clients do that encode more than they must; nothing is decoded twice."""
    assert parsed == parse("POST", path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/"),
        ("GET", "/v1/foo"),
        ("POST", "/v1/models"),
        ("GET", "/v1/models/"),
        ("GET", f"{MODEL}/"),
        ("GET", f"{MODEL}:predict"),
        ("GET", f"{MODEL}/versions/x"),
        ("GET", f"{MODEL}/versions/\u0663"),
        ("GET", f"{MODEL}/versions/1/labels/a"),
        ("GET", "/v1/model\xc5\xbf/shapes"),
        ("GET", f"{MODEL}/metadata/"),
        ("POST", MODEL),
        ("POST", f"{MODEL}:explain"),
        ("POST", f"{MODEL}:PREDICT"),
        ("POST", f"{MODEL}/version/50:predict"),
        ("POST", f"{MODEL}/versions/:predict"),
        ("POST", f"{MODEL}%3Aexplain"),
        ("GET", f"{MODEL}%2Fmetadata/"),
        ("POST", f"{MODEL}%253Apredict"),
        ("POST", f"{MODEL}:predict/"),
        ("PUT", f"{MODEL}:predict"),
        ("HEAD", MODEL),
        ("OPTIONS", MODEL),
    ],
)
def test_anything_else_is_a_malformed_request(method, path):
    """It is repeated, with its method."""
    with pytest.raises(InvalidArgumentError) as caught:
        parse(method, path)

    shown = path.encode("latin-1", "replace").decode()  # "\u017f" is an s only in some cases
    assert f"Malformed request: {method} {shown}" == str(caught.value)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/versions/3", "/v1/models/labels/a"])
def test_a_model_must_be_named(path):
    """There is no list of models."""
    with pytest.raises(InvalidArgumentError) as caught:
        parse("GET", path)

    assert "Missing model name in request." == str(caught.value)


@pytest.mark.parametrize("number", [str(2**63), "9" * 5000], ids="{:.20}".format)
def test_a_version_has_64_bits(number):
    """And one bit for the sign."""
    with pytest.raises(InvalidArgumentError) as caught:
        parse("GET", f"{MODEL}/versions/{number}")

    assert f"Failed to convert version: {number} to numeric." == str(caught.value)
    assert 2**63 - 1 == parse("GET", f"{MODEL}/versions/{2**63 - 1}").version


def test_a_parsed_path_is_a_model_reference_for_the_predictor():
    """A version, a label, or neither."""
    assert [ModelRef("m"), ModelRef("m", 2), ModelRef("m", label="a")] == [
        ParsedPath("predict", "m", *which).model_ref
        for which in [(None, None), (2, None), (None, "a")]
    ]


def test_there_is_no_version_0():
    """It is not the default one."""
    with pytest.raises(ServableNotFoundError) as caught:
        _ = ParsedPath("predict", "m", 0, None).model_ref

    assert "Servable not found for request: Specific(m, 0)" == str(caught.value)
