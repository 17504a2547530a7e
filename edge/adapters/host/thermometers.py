"""Reads the machine's temperatures from the kernel."""

from __future__ import annotations

from pathlib import Path

ZONES = Path("/sys/class/thermal")
STEP_C = 5
"""Temperatures are rounded to this. Work makes the processor a degree or two warmer, so an exact
temperature could reveal that a vehicle passed."""


def temperatures(zones: Path = ZONES) -> dict[str, int]:
    """Degrees Celsius by the kernel's name of each zone; empty if there are no zones."""
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
