"""Plate detector and plate reader on ONNX Runtime, each behind its port.

Nothing else loads ONNX Runtime. Its Linux wheels (seen in 1.32) contain a telemetry client that is
active unless the variable below is set before the library is loaded. It creates a device id and a
database in the user's cache folder and a session file in the temporary folder, and can upload data
to the library's publisher. A box must not send such data.
"""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
