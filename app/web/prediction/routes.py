"""The routes of predictions, by protocol.

The web side takes them from here. Alert rules and the dashboard select them by the label `route`,
and a test compares their selectors with this list.
"""

from __future__ import annotations

GLYPH = (
    "/predict",
    "/models/<name>/predict",
    "/models/<name>/versions/<version>/predict",
    "/models/<name>/labels/<label>/predict",
)
TF_SERVING = (
    "/v1/models/<name>:predict",
    "/v1/models/<name>/versions/<version>:predict",
    "/v1/models/<name>/labels/<label>:predict",
)
OPEN_INFERENCE = (
    "/v2/models/<name>/infer",
    "/v2/models/<name>/versions/<version>/infer",
)
PREDICTION_ROUTES = (*GLYPH, *TF_SERVING, *OPEN_INFERENCE)
