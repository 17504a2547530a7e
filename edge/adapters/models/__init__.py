"""Plate detector and plate reader on ONNX Runtime, each behind its port.

Nothing else loads ONNX Runtime. Its Linux wheels (seen in 1.32) carry a telemetry client that
is on unless this variable is set before the library is loaded: it makes a device id and a
database in the user's cache folder, a session file in the temporary folder, and is built to
upload to its maker. A box that says nothing of passers-by reports to nobody.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
