from __future__ import annotations

import pytest

from edge.adapters.broker import topics
from edge.adapters.broker.topics import BoxTopics, TopicKind, TopicName
from edge.errors import ConfigError, PublishError

BOX = BoxTopics("school-street", "box-1", frozenset({"cam-1", "cam-2"}))


def test_the_list_of_publishable_topics_is_closed() -> None:
    assert BOX.publishable == {
        "anpr/school-street/box-1/cam-1/hit",
        "anpr/school-street/box-1/cam-2/hit",
        "anpr/school-street/box-1/availability",
        "anpr/school-street/box-1/health",
        "anpr/school-street/box-1/audit",
        "anpr/school-street/box-1/list-answer",
        "anpr/school-street/box-1/status",
    }
    for topic in BOX.publishable:
        BOX.require_publishable(topic)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "#",
        "anpr/school-street/box-1/cam-3/hit",
        "anpr/school-street/box-2/cam-1/hit",
        "anpr/school-street/box-1/receipt",
        "anpr/school-street/box-1/cam-1/hit/more",
        "anpr/school-street/box-1/cam-1/HIT",
    ],
)
def test_all_other_topics_are_refused(topic: str) -> None:
    with pytest.raises(PublishError, match="the list is closed"):
        BOX.require_publishable(topic)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "a/b",
        "+",
        "#",
        "$share",
        "UPPER",
        "a b",
        "é",
        "x" * 41,
        "box\n",
        "health",
        "lists",
        "audit",
    ],
)
@pytest.mark.parametrize("field", ["site", "box", "camera"])
def test_an_id_with_a_topic_separator_or_wildcard_is_refused(field: str, bad: str) -> None:
    ids = {"site": "s", "box": "b", "camera": "c", field: bad}
    with pytest.raises(ConfigError, match=f"{field}: "):
        BoxTopics(ids["site"], ids["box"], frozenset({ids["camera"]}))


def test_the_list_of_receivable_topics_is_closed() -> None:
    box = BoxTopics("school-street", "box-1", frozenset(), frozenset({"permits"}))
    assert box.receivable == {
        "anpr/school-street/box-1/receipt",
        "anpr/school-street/box-1/command",
        "anpr/school-street/box-1/lists/permits",
    }
    box.require_receivable(box.receivable)
    for topic in ("#", "anpr/school-street/box-1/lists/+", "anpr/school-street/box-2/command"):
        with pytest.raises(PublishError, match="the list is closed"):
            box.require_receivable([topic])
    with pytest.raises(ConfigError, match="'stolen' is not one of box"):
        box.bundle("stolen")


@pytest.mark.parametrize("bad", ["", "+", "a/b", "A", "hit"])
def test_a_list_name_that_would_change_the_topic_is_refused(bad: str) -> None:
    """Every authority listens on .../+/hit."""
    with pytest.raises(ConfigError, match="list: "):
        BoxTopics("s", "b", frozenset(), frozenset({bad}))


def test_a_hit_of_an_unknown_camera_has_no_topic() -> None:
    with pytest.raises(ConfigError, match="'cam-3' is not one of box 'box-1'"):
        BOX.hit("cam-3")


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("anpr/s/b/c/hit", TopicName(TopicKind.HIT, "s", "b", "c")),
        ("anpr/s/b/availability", TopicName(TopicKind.AVAILABILITY, "s", "b", None)),
        ("anpr/s/b/health", TopicName(TopicKind.HEALTH, "s", "b", None)),
        ("anpr/s/b/receipt", TopicName(TopicKind.RECEIPT, "s", "b", None)),
        ("anpr/s/b/command", TopicName(TopicKind.COMMAND, "s", "b", None)),
        ("anpr/s/b/lists/permits", TopicName(TopicKind.LIST, "s", "b", None)),
        ("anpr/s/b/lists", None),
        ("anpr/s/b/lists/hit", None),
        ("anpr/s/b/audit", TopicName(TopicKind.AUDIT, "s", "b", None)),
        ("anpr/s/b/list-answer", TopicName(TopicKind.LIST_ANSWER, "s", "b", None)),
        ("anpr/s/b/list-answer/hit", None),
        ("anpr/s/b/status", TopicName(TopicKind.STATUS, "s", "b", None)),
        ("anpr/s/b/other", None),
        ("anpr/s/b/audit/hit", None),
        ("anpr/s/b/c/receipt", None),
        ("anpr/s/b/health/hit", None),
        ("anpr/s/b", None),
        ("anpr/s/../c/hit", None),
        ("other/s/b/c/hit", None),
    ],
)
def test_a_received_topic_is_parsed_or_refused(topic: str, expected: TopicName | None) -> None:
    assert topics.parse(topic) == expected


def test_an_authority_has_one_subscription_and_one_receipt_topic() -> None:
    assert topics.all_hits() == "anpr/+/+/+/hit"
    assert topics.all_hits("school-street") == "anpr/school-street/+/+/hit"
    assert topics.receipt("school-street", "box-1") == BOX.receipt
    with pytest.raises(ConfigError):
        topics.all_hits("#")
