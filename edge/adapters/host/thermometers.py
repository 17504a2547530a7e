"""Reads the box's temperatures from the kernel, where it has any."""

from __future__ import annotations

from pathlib import Path

ZONES = Path("/sys/class/thermal")
STEP_C = 5
"""Readings are rounded to this. A processor that works is warmer by a degree or two, so an exact
reading could show that a vehicle passed."""


def temperatures(zones: Path = ZONES) -> dict[str, int]:
    """Degrees Celsius by the kernel's name of each zone; empty where there are none."""
    found: dict[str, int] = {}
    for zone in sorted(zones.glob("thermal_zone*")):
        try:
            name = (zone / "type").read_text(encoding="ascii").strip()
            millidegrees = int((zone / "temp").read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue  # a zone may be switched off
        rounded = STEP_C * round(millidegrees / 1000 / STEP_C)
        found[name] = max(rounded, found.get(name, rounded))
    return found
