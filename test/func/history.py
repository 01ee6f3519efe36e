# SPDX-License-Identifier: BSD-3-Clause
"""What clients asked and were told, and whether one server can have told all of it.

A client knows when it asked and when it was told, not when the server decided. So
each holding has a span in which it is certain (from the answer of the grant to
the asking of its end) and a wider one in which it is possible (from the asking of the
grant to the answer of its end). Of one resource no two certain spans may meet; a refusal
needs possible ones that explain it. Pure: times are numbers, nothing is asked here.
"""
import bisect
import math
from collections import defaultdict

GRACE = 1.0     # what an ended client held is back within a second
NEVER = math.inf


class Span:
    """One holding. `since` is NEVER while nobody was told that it was granted."""

    __slots__ = "resource", "holder", "tenant", "maybe_from", "since", "until", "maybe_until"

    def __init__(self, resource, holder, tenant, asked, told, limit=None):
        self.resource, self.holder, self.tenant = resource, holder, tenant
        self.maybe_from, self.since = asked, told
        self.until = self.maybe_until = NEVER
        if limit is not None:
            self.until, self.maybe_until = asked + limit, told + limit + GRACE

    def certain(self, when):
        return self.since <= when < self.until

    def possible(self, begin, end):
        return self.maybe_from <= end and begin <= self.maybe_until

    def __repr__(self):
        return (f"{self.resource} of {self.holder}: {self.maybe_from:.6f}..{self.since:.6f} to "
                f"{self.until:.6f}..{self.maybe_until:.6f}")


class Refusal:
    """`count` of `pool` were asked for and not granted. `quota`: what the tenant may
    have of such, None: no limit."""

    def __init__(self, holder, tenant, pool, count, asked, told, quota=None):
        self.holder, self.tenant, self.pool, self.count = holder, tenant, frozenset(pool), count
        self.asked, self.told, self.quota = asked, told, quota

    def __repr__(self):
        return (f"{self.holder} was refused {self.count} of {sorted(self.pool)[:4]} at "
                f"{self.asked:.6f}..{self.told:.6f}")


class History:
    """Of one client, from its beginning to its end."""

    def __init__(self, holder, tenant):
        self.holder, self.tenant = holder, tenant
        self.spans, self.refusals, self.faults = [], [], []
        self.held = {}      # resource: its span

    def fault(self, text):
        self.faults.append(f"{self.holder}: {text}")

    def granted(self, resource, asked, told, limit=None):
        if resource in self.held and self.held[resource].until > told:
            self.fault(f"{resource} was granted twice")
        span = Span(resource, self.holder, self.tenant, asked, told, limit)
        self.spans.append(span)
        self.held[resource] = span

    def refused(self, pool, asked, told, count=1, quota=None):
        self.refusals.append(Refusal(self.holder, self.tenant, pool, count, asked, told, quota))

    def asked_back(self, resource, asked):
        """It is certain no more."""
        span = self.held[resource]
        span.until = min(span.until, asked)

    def given_back(self, resource, told):
        span = self.held.pop(resource)
        span.maybe_until = min(span.maybe_until, told)

    def not_given_back(self, resource, asked):
        """The answer was no: right only where a time limit may have been first."""
        span = self.held.pop(resource)
        if span.maybe_until == NEVER:
            self.fault(f"{resource} could not be given back, though it was held at {asked:.6f}")

    def unanswered(self, pool, asked):
        """It ended before it was told."""
        for resource in pool:
            if resource not in self.held:
                span = Span(resource, self.holder, self.tenant, asked, NEVER)
                self.spans.append(span)
                self.held[resource] = span

    def ended(self, begin, end):
        """The client went away, some time between these two."""
        for span in self.held.values():
            span.until = min(span.until, begin)
            span.maybe_until = min(span.maybe_until, end + GRACE)
        self.held = {}


# --- the checks ------------------------------------------------------------------------


def doubles(spans):
    """Sentences about pairs that held one resource at one time."""
    last = {}
    for span in sorted((s for s in spans if s.since < s.until), key=lambda s: s.since):
        before = last.get(span.resource)
        if before and span.since < before.until:
            yield f"two hold {span.resource}: [{before}] and [{span}]"
        if not before or span.until > before.until:
            last[span.resource] = span


def kind_of(resource):
    """"soft flow 3 of if 2" and "flow 7 of if 2" count for one quota."""
    return "flow" if "flow" in resource else resource.split()[0].rstrip(",")


class Index:
    """Which spans are possible in a time; most are short, some have no end yet."""

    STEP = 0.05

    def __init__(self, spans):
        self.short, self.long = defaultdict(list), []
        for span in spans:
            if span.maybe_until - span.maybe_from > 100 * self.STEP:
                self.long.append(span)
                continue
            for step in range(self._step(span.maybe_from), self._step(span.maybe_until) + 1):
                self.short[step].append(span)

    def _step(self, when):
        return int(when // self.STEP)

    def possible(self, begin, end):
        found = {id(s): s for step in range(self._step(begin), self._step(end) + 1)
                 for s in self.short.get(step, ())}
        return [s for s in (*found.values(), *self.long) if s.possible(begin, end)]


def begun_twice(refusals, kills):
    """Who asked before a kill and was refused after it may have had what it wanted reserved
    in between, where a grant takes more than one step."""
    for no in refusals:
        before = bisect.bisect(kills, no.told)
        if kind_of(next(iter(no.pool))) == "queue" and before and kills[before - 1] >= no.asked:
            for number in range(no.count):
                yield Span(f"queue, {number} of {no.holder}", no.holder, no.tenant, no.asked,
                           NEVER), no


def unjustified(refusals, spans, kills=()):
    """Sentences about refusals that nothing explains."""
    index, begun = Index(spans), list(begun_twice(refusals, kills))
    for no in refusals:
        near = index.possible(no.asked, no.told)
        near += [s for s, of in begun if of is not no and of.asked <= no.told
                 and no.asked <= of.told]
        kind = kind_of(next(iter(no.pool)))
        taken = {s.resource for s in near if s.resource in no.pool or
                 s.resource.startswith(f"{kind}, ")}
        used = {s.resource for s in near if s.tenant == no.tenant and kind_of(s.resource) == kind}
        if len(no.pool) - len(taken) < no.count:
            continue
        if no.quota is not None and len(used) + no.count > no.quota:
            continue
        yield f"{no}, though {len(no.pool) - len(taken)} were free and {len(used)} its tenant's"


def order(asked, told):
    """Kinds of answers that are due, and those that came, one for each and in order."""
    for number, kind in enumerate(asked):
        if number >= len(told):
            yield f"request {number} of {len(asked)} has no answer"
            return
        if told[number] != kind:
            yield f"answer {number} is of kind {told[number]}, due is {kind}"
    if len(told) > len(asked):
        yield f"{len(told) - len(asked)} answers to nothing"


def gaps(events, since=0):
    """Of a stream that shows all tenants: (seq, lost) of each event."""
    for seq, lost in events:
        if lost:
            yield f"{lost} events are lost before {seq}"
        if seq <= since:
            yield f"event {seq} came again, {since} was there already"
        elif seq != since + 1:
            yield f"event {seq} follows {since}"
        since = max(seq, since)


def disagreements(spans, listed, begin, end):
    """`listed`: {(holder, resource)} as the server has it at some time between these two,
    when nobody asks anything."""
    certain = {(s.holder, s.resource) for s in spans if s.certain(begin) and s.certain(end)}
    possible = {(s.holder, s.resource) for s in spans if s.possible(begin, end)}
    for holder, resource in sorted(certain - listed):
        yield f"{resource}, which {holder} holds, is not listed"
    for holder, resource in sorted(listed - possible):
        yield f"{resource} is listed as {holder}'s, who does not hold it"


def check(histories, kills=()):
    """All of them together; sentences, none of which there should be. `kills`: when."""
    spans = [span for h in histories for span in h.spans]
    refusals = [no for h in histories for no in h.refusals]
    return [*(text for h in histories for text in h.faults), *doubles(spans),
            *unjustified(refusals, spans, sorted(kills))]
