"""Whether the signed policy allows a hit: its rule, camera, moment, certainty and pictures.

A box checks all of this before it seals a hit. Who has the key of a box, or has changed its
program, can sign any hit. So the authority checks it once more: before a hit becomes a case or a
fine, and when a person opens or confirms it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from edge.domain.reveal import FIRST_PICTURE, LAST_PICTURE, PLATE_PICTURE, VEHICLE_PICTURE
from edge.errors import PolicyError
from edge.policy.limits import SHOW_VEHICLE
from edge.policy.model import Policy
from edge.policy.rule_models import RuleModel, domain_rule
from edge.privacy.hit import Hit
from edge.privacy.place_still import PLACE_PICTURE
from edge.privacy.sealing import Picture

_NAMES = (PLATE_PICTURE, VEHICLE_PICTURE, FIRST_PICTURE, LAST_PICTURE, PLACE_PICTURE)

ROUNDED = 0.00005
"""A hit states its posterior and margin with four decimals."""


def require_allowed(hit: Hit, pictures: Iterable[Picture], policy: Policy) -> None:
    """Refuse a hit that a box under this policy must not make.

    Args:
        hit: signed by a box.
        pictures: of its evidence; empty where it is not open.
        policy: the one that the hit names.

    Raises:
        PolicyError: the policy does not allow the hit, or contradicts itself.
    """
    rule = next((one for one in policy.rules if one.id == hit.rule), None)
    if rule is None or (policy.site, rule.purpose, rule.authority) != (
        hit.site,
        hit.purpose,
        hit.authority,
    ):
        raise PolicyError("its policy has no such rule for this site, purpose and authority")
    if hit.camera not in policy.cameras:
        raise PolicyError(f"its policy has no camera {hit.camera}")
    try:
        _require_time_and_place(hit, rule, policy)
    except ValueError:
        raise PolicyError("its policy has hours that contradict themselves") from None
    if (
        hit.posterior + ROUNDED < rule.min_posterior
        or hit.margin + ROUNDED < rule.min_margin
        or (rule.human_check and not hit.human_check_required)
    ):
        raise PolicyError(
            f"its policy: rule {rule.id} asks for more certainty, or for a check by people"
        )
    for one in pictures:
        _require_shown(one, hit, rule, policy)


def _require_time_and_place(hit: Hit, rule: RuleModel, policy: Policy) -> None:
    """Raise unless policy, camera, rule and competence all covered the camera at that moment.

    Raises:
        ValueError: hours contradict themselves.
    """
    moment, term = hit.observed, policy.activation
    if not policy.begins(term.not_before) <= moment < policy.ends(term.sunset):
        raise PolicyError(f"its policy was not yet or no longer in force at {hit.observed_at}")
    if not policy.cameras[hit.camera].hours.schedule(policy.zone).is_active(moment):
        raise PolicyError(f"its policy keeps camera {hit.camera} closed at {hit.observed_at}")
    if not domain_rule(rule, policy.zone).is_in_force(hit.camera, moment):
        raise PolicyError(
            f"its policy: rule {rule.id} does not apply at camera {hit.camera} at {hit.observed_at}"
        )
    competence = policy.competences()[hit.authority]
    if not competence.covers(hit.rule, hit.camera, moment):
        raise PolicyError(f"its policy: authority {hit.authority} is not competent for such a hit")


def _require_shown(picture: Picture, hit: Hit, rule: RuleModel, policy: Policy) -> None:
    """Raise unless the rule's reveal level has such a picture, and a still is the approved one."""
    shown = {PLATE_PICTURE}
    if rule.type == "wrong_way":
        shown |= {FIRST_PICTURE, LAST_PICTURE}
    if rule.reveal in SHOW_VEHICLE:
        shown |= {VEHICLE_PICTURE, PLACE_PICTURE}
    if picture.name not in shown:
        # Not any other name: who signs hits as he likes could put a plate into it.
        named = f"the picture {picture.name!r}" if picture.name in _NAMES else "such a picture"
        raise PolicyError(f"its policy: rule {rule.id} has not {named}")
    still = policy.cameras[hit.camera].place_picture
    if picture.approved is not None and (
        still is None
        or (still.approved, still.sha256)
        != (picture.approved, hashlib.sha256(picture.jpeg).hexdigest())
    ):
        raise PolicyError("its policy approves no such picture of the place")
