"""Impact assessments for tests: long enough, and with the names that a policy lists."""

from __future__ import annotations

from edge.policy.flaws import NAMED_RISKS

_TEXT = """\
# Assessment of a made-up street

What is processed, and why: the camera's pictures are looked at in memory. Of a vehicle that
breaks no rule nothing remains but a count. Of one that does, one sealed message goes to the
competent authority, with the plate and with what the rule reveals of the picture. The box
cannot open it.

Necessity: on two mornings out of three nobody stood at the barrier, and forty cars passed.
Signs and talks helped for two weeks. Checks by the police helped on the days of the checks. A
camera that is open for the same hours reaches what a barrier reaches that is staffed every day,
and less would not.

Risks and measures: whoever passes is filmed for a moment, in memory, during the hours of the
policy and within one lane; a hit needs certainty and a margin, the accuracy is measured at the
place, and a person checks every hit; every entry of a list has an end, and length and duration
of lists are limited; everything is masked before a picture is made, and glass stays masked in
evidence. What remains: a misread plate can reach the person who checks, and an entry can be
wrong until its end.

People were heard: residents asked about the fronts of their houses, which are out of view now.
The officer's opinion stands in the policy. The assessment is reviewed in two years, and earlier
when a purpose, a camera, its view or its hours change.

The names that the policy uses for what is assessed here:
"""


def assessment(*names: str) -> bytes:
    """A DPIA that names the named risks and these purposes, further risks and changes."""
    return (_TEXT + "".join(f"- {name}\n" for name in (*NAMED_RISKS, *names))).encode()
