"""Whether one version of a policy may come after another: who must have signed it.

What widens, and what people's rights rest on, takes the signatures of all roles, of the policy in
force as well as of the new one. A widening takes besides a new DPIA that names it, and an opinion
of the data protection officer on exactly this draft. A narrowing takes one signer of the policy in
force.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from edge.errors import PolicyError
from edge.policy.change import Change, ChangeEffect
from edge.policy.diff import changes, evaluated_anew
from edge.policy.legal import EVALUATION_DAYS
from edge.policy.model import Policy
from edge.policy.signatures import PolicySignatures, require_quorum, signers_of


def require_allowed(
    before: Policy,
    after: Policy,
    signatures: PolicySignatures,
    earlier: Sequence[Policy] = (),
) -> None:
    """Refuse a new version that must not replace the policy in force.

    Args:
        before: the policy in force.
        after: the new version.
        signatures: those of the new version.
        earlier: the policies in force before `before`.

    Raises:
        PolicyError: `E_VERSION`: another site, or a version that does not rise; `E_QUORUM`:
            signatures are missing; `E_EVALUATION`: they are missing for an evaluation, or the
            evaluation does not follow the earlier one; `E_DPIA_WIDENING`: a widening without a DPIA
            and an opinion that cover it.
        KeyFileError: `E_SIGNATURE`: a signature is not valid.
    """
    if (after.site, after.version) != (before.site, max(after.version, before.version + 1)):
        raise PolicyError(
            f"version {after.version} of {after.site} does not follow version {before.version} of "
            f"{before.site}, which is in force; give it a higher version",
            code="E_VERSION",
        )
    weighty = [one for one in changes(before, after) if one.direction.needs_all_roles]
    widenings = [one for one in weighty if one.direction is ChangeEffect.WIDENING]
    if not weighty:
        if not signers_of(after, signatures, before.approvals.signers):
            raise PolicyError(
                "no signer of the policy in force has signed this one; one of them must, with "
                "`edge-anpr policy sign`",
                code="E_QUORUM",
            )
        return
    try:
        require_quorum(after, signatures)
        require_quorum(after, signatures, before.approvals.signers)
    except PolicyError as error:
        evaluation = all(one.location[0] == "evaluation" for one in weighty)
        code = "E_EVALUATION" if evaluation else error.code
        raise PolicyError(f"{_listed(weighty)}: {error.message}", code=code) from None
    _require_evaluation(before, after, _first_start(before, earlier))
    if widenings:
        _require_assessment(before, after, widenings)


def uncovered(before: Policy, after: Policy) -> tuple[str, ...]:
    """The widenings that the new version's DPIA does not cover, as `dpia.covers` names them."""
    found = changes(before, after)
    return _uncovered([one for one in found if one.direction is ChangeEffect.WIDENING], after)


def _uncovered(widenings: Sequence[Change], after: Policy) -> tuple[str, ...]:
    names = dict.fromkeys(one.name for one in widenings)
    return tuple(name for name in names if name not in after.dpia.covers)


def _listed(found: Sequence[Change]) -> str:
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return "; ".join(map(str, found[:5])) + more


def _first_start(before: Policy, earlier: Sequence[Policy]) -> str:
    """The day from which the first version in force could work; a later start is no new one."""
    return min(one.activation.not_before for one in (before, *earlier))


def _require_evaluation(before: Policy, after: Policy, start: str) -> None:
    """Refuse an evaluation that does not follow the known one, or a later date without one.

    Args:
        before: the policy in force.
        after: the new version.
        start: the day from which the first version in force could work.
    """
    known, new = before.evaluation.last, after.evaluation.last
    if known is not None and (new is None or new.date < known.date):
        raise PolicyError(
            f"evaluation.last: version {before.version} was evaluated on {known.date}; keep that "
            "evaluation, or name a later one",
            code="E_EVALUATION",
        )
    if evaluated_anew(before, after):
        if known is None and new is not None and new.date < start:
            raise PolicyError(
                f"evaluation.last: dated {new.date}, before the cameras could work ({start}); "
                "evaluate how they work, and name that date",
                code="E_EVALUATION",
            )
        return
    since = date.fromisoformat(start if known is None else known.date)
    limit = (since + timedelta(days=EVALUATION_DAYS)).isoformat()
    if after.evaluation.next_due > max(limit, before.evaluation.next_due):
        raise PolicyError(
            f"evaluation.next_due: later than {limit}, a year after the first start or the "
            "last evaluation; evaluate, and name the evaluation in evaluation.last",
            code="E_EVALUATION",
        )


def _require_assessment(before: Policy, after: Policy, widenings: Sequence[Change]) -> None:
    """Refuse widenings that the DPIA does not name or the officer has not seen."""
    missing = _uncovered(widenings, after)
    draft = after.draft_sha256()
    opinion, start = after.dpia.dpo_opinion, before.activation.not_before
    if after.dpia.sha256 == before.dpia.sha256 or after.dpia.date <= before.dpia.date:
        lacking = (
            f"the DPIA is the one of version {before.version}, or not dated after "
            f"{before.dpia.date} like a new one; write a new one for what widens, with its own "
            "date in dpia.date, and have the policy signed with it"
        )
    elif missing:
        lacking = (
            f"the DPIA does not cover {', '.join(missing)}; assess it there, and name it in "
            "dpia.covers"
        )
    elif opinion.date < max(after.dpia.date, start):
        lacking = (
            f"dpia.dpo_opinion.date: {opinion.date} is before the new DPIA ({after.dpia.date}) or "
            f"before version {before.version} could work ({start}), so it is no opinion on this "
            "draft; have the officer see `edge-anpr policy diff`, and name the day of the opinion"
        )
    elif opinion.draft_sha256 != draft:
        lacking = (
            "the data protection officer's opinion is not on this draft; have the officer see "
            f"`edge-anpr policy diff`, and write draft_sha256: {draft} into dpia.dpo_opinion"
        )
    else:
        return
    raise PolicyError(f"{_listed(widenings)}: {lacking}", code="E_DPIA_WIDENING")


def require_authorised(
    policy: Policy,
    signatures: PolicySignatures,
    history: Sequence[tuple[Policy, PolicySignatures]] = (),
) -> None:
    """Refuse a policy unless all roles have signed it or a policy that it narrows.

    Args:
        policy: the policy to put in force.
        signatures: those of the policy.
        history: the policies in force before it, newest first.

    Raises:
        PolicyError: `E_QUORUM`: signatures are missing; `E_VERSION`: a later version, or another
            one of that number, was in force already.
        KeyFileError: `E_SIGNATURE`: a signature is not valid.
    """
    for known, _ in history:
        replaced = known.version == policy.version and known.sha256() != policy.sha256()
        if known.version > policy.version or replaced:
            raise PolicyError(
                f"version {known.version} was in force here already; give this one a higher "
                "version",
                code="E_VERSION",
            )
    earlier = next((one for one in history if one[0].version < policy.version), None)
    if earlier is None:
        require_quorum(policy, signatures)
        return
    before = [one for one in history if one[0].version < earlier[0].version]
    require_allowed(earlier[0], policy, signatures, [known for known, _ in before])
    require_authorised(*earlier, before)
