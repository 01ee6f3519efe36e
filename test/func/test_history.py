# SPDX-License-Identifier: BSD-3-Clause
"""The model checker finds what it is there to find: histories that no sound server
can have made."""
import history
from history import GRACE, NEVER, History

POOL = {"lcore 1", "lcore 2"}


def two():
    return History("a", "t"), History("b", "t")


def found(*histories):
    return history.check(histories)


def test_a_sound_history():
    a, b = two()
    a.granted("lcore 1", 1, 2)
    b.refused({"lcore 1"}, 1.5, 3)
    a.asked_back("lcore 1", 4)
    b.granted("lcore 1", 3.9, 4.5)
    a.given_back("lcore 1", 5)
    b.ended(6, 6.1)
    assert not found(a, b)


def test_two_holders():
    a, b = two()
    a.granted("lcore 1", 1, 2)
    b.granted("lcore 1", 3, 4)
    assert "two hold lcore 1" in found(a, b)[0]


def test_a_long_holding_hides_no_second_double():
    a, b = two()
    a.granted("lcore 1", 1, 2)
    for when in 3, 6:
        b.granted("lcore 1", when, when + 1)
        b.asked_back("lcore 1", when + 1.5)
        b.given_back("lcore 1", when + 2)
    assert len(found(a, b)) == 2


def test_granted_before_the_end_of_who_was_killed():
    a, b = two()
    a.granted("lcore 1", 1, 2)
    a.ended(5, 5.1)
    b.granted("lcore 1", 3, 4)
    assert "two hold" in found(a, b)[0]


def test_granted_before_the_time_limit_was_over():
    a, b = two()
    a.granted("lcore 1", 1, 2, limit=10)
    b.granted("lcore 1", 8, 9)
    assert "two hold" in found(a, b)[0]
    a, b = two()
    a.granted("lcore 1", 1, 2, limit=10)
    b.granted("lcore 1", 10.5, 11.5)
    assert not found(a, b)


def test_one_client_is_granted_what_it_has():
    a, _ = two()
    a.granted("lcore 1", 1, 2)
    a.granted("lcore 1", 3, 4)
    assert "granted twice" in found(a)[0]


def test_a_refusal_without_a_reason():
    a, b = two()
    a.granted("lcore 1", 5, 6)
    b.refused({"lcore 1"}, 1, 2)
    assert "was refused" in found(a, b)[0]


def test_a_refusal_after_it_was_given_back():
    a, b = two()
    a.granted("lcore 1", 1, 2)
    a.asked_back("lcore 1", 3)
    a.given_back("lcore 1", 4)
    b.refused({"lcore 1"}, 4.5, 5)
    assert "was refused" in found(a, b)[0]


def test_a_refusal_long_after_a_clients_end():
    a, b = two()
    a.granted("lcore 1", 1, 2)
    a.ended(3, 3.1)
    b.refused({"lcore 1"}, 3.1 + GRACE / 2, 3.2 + GRACE / 2)
    assert not found(a, b)
    b.refused({"lcore 1"}, 3.2 + GRACE, 4.3 + GRACE)
    assert "was refused" in found(a, b)[0]


def test_of_several_one_was_free():
    a, b = two()
    a.granted("lcore 1", 1, 2)
    b.refused(POOL, 3, 4, count=2)
    assert not found(a, b)
    b.refused(POOL, 5, 6, count=1)
    assert "1 were free" in found(a, b)[0]


def test_a_quota_explains_a_refusal_only_when_it_is_used_up():
    a, b = two()
    a.granted("lcore 1", 1, 2)
    b.refused({"lcore 2"}, 3, 4, quota=1)
    assert not found(a, b)
    b.refused({"lcore 2"}, 5, 6, quota=2)
    assert "was refused" in found(a, b)[0]


def test_anothers_tenant_quota_explains_nothing():
    a, b = History("a", "t"), History("b", "u")
    a.granted("lcore 1", 1, 2)
    b.refused({"lcore 2"}, 3, 4, quota=1)
    assert "was refused" in found(a, b)[0]


def test_what_can_not_be_given_back():
    a, _ = two()
    a.granted("lcore 1", 1, 2)
    a.not_given_back("lcore 1", 3)
    assert "could not be given back" in found(a)[0]
    a, _ = two()
    a.granted("lcore 1", 1, 2, limit=1)
    a.not_given_back("lcore 1", 3)
    assert not found(a)


def test_who_ended_unanswered_may_have_held_it():
    a, b = two()
    a.unanswered({"lcore 1"}, 1)
    a.ended(2, 2.1)
    b.refused({"lcore 1"}, 1.5, 2.5)
    b.granted("lcore 1", 2.5, 3)
    assert not found(a, b)


def test_a_kill_in_the_middle_of_a_request():
    """Two want the only one; who reserved it first may be the last after the kill."""
    a, b, c = History("a", "t"), History("b", "t"), History("c", "t")
    pool = {"queue 1 of if 2"}
    a.refused(pool, 1, 6)
    b.refused(pool, 2, 2.5)
    c.granted("queue 1 of if 2", 3, 5)
    assert "b was refused" in found(a, b, c)[0]
    assert not history.check([a, b, c], kills=[4])
    assert history.check([a, b, c], kills=[7])


def test_short_and_long_holdings_are_found_by_the_index():
    spans = [history.Span(f"lcore {n}", "a", "t", n, n + 1) for n in range(100)]
    for span in spans[::2]:
        span.until, span.maybe_until = span.since + .5, span.since + .6
    index = history.Index(spans)
    for begin, end in ((0, .5), (49.5, 50.5), (98, 1000)):
        assert sorted(s.resource for s in index.possible(begin, end)) == \
            sorted(s.resource for s in spans if s.possible(begin, end))


def test_answers():
    assert not list(history.order([201, 202], [201, 202]))
    assert "no answer" in next(history.order([201, 201], [201]))
    assert "to nothing" in next(history.order([201], [201, 201]))
    assert "of kind" in next(history.order([201, 202], [202, 201]))


def test_streams():
    assert not list(history.gaps([(4, 0), (5, 0)], since=3))
    assert "follows" in next(history.gaps([(1, 0), (3, 0)]))
    assert "came again" in next(history.gaps([(1, 0), (1, 0)]))
    assert "lost" in next(history.gaps([(1, 0), (5, 3)]))


def test_lists():
    a, _ = two()
    a.granted("lcore 1", 1, 2)
    assert not list(history.disagreements(a.spans, {("a", "lcore 1")}, 3, 4))
    assert "is not listed" in next(history.disagreements(a.spans, set(), 3, 4))
    others = {("a", "lcore 1"), ("b", "lcore 2")}
    assert "does not hold" in next(history.disagreements(a.spans, others, 3, 4))
    a.unanswered({"lcore 2"}, 4)
    assert a.spans[1].since == NEVER
    both = {("a", "lcore 1"), ("a", "lcore 2")}
    assert not list(history.disagreements(a.spans, both, 5, 6))
