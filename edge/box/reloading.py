"""What is checked before a running box is stopped to take over the site's changed files."""

from __future__ import annotations

import os
from collections.abc import Sequence

from edge.adapters.cameras.place_masks import require_places_masked
from edge.box.assembly import load_models
from edge.box.delivery import broker_options
from edge.box.gate import require_open
from edge.box.sources import Source
from edge.site.folder import SiteFolder


def require_startable(site: SiteFolder, sources: Sequence[Source], running: SiteFolder) -> None:
    """Check whether a box could start with these files, while it runs with others.

    Networks are loaded only if site.yaml names others than those of the running box, since they
    are in memory twice meanwhile.

    Args:
        site: the checked site folder as its files are now.
        sources: what is to be run.
        running: the site folder that the box runs with.

    Raises:
        EdgeError: it could not.
    """
    require_open(site, sources)
    require_places_masked(site)
    broker_options(site.settings, site.folder, site.broker_password(os.environ))
    if site.settings.models != running.settings.models:
        load_models(site.settings.models)
