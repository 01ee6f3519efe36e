/* SPDX-License-Identifier: BSD-3-Clause */
#include "reference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WINDOW = 32, EARLY = 64, DUPS = 3, TRIES = 3, RTO_S = 3 };

/* --- what it says ------------------------------------------------------------------------ */

static void say(struct reference *r, uint8_t kind, uint32_t seq)
{
	const struct recorded *at = recording_find(r->rec, r->client, kind, seq);

	assert_non_null(at);
	r->send(r->arg, &at->frame);
}

static void put32(uint8_t *at, uint32_t x)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(x >> (24 - 8 * i));
}

static void say_ack(struct reference *r)
{
	const struct recorded *at = recording_find(r->rec, r->client, ACK, 0);
	struct raw_frame f;

	assert_non_null(at);
	f = at->frame;
	put32(f.b + 46, r->nxt);
	put32(f.b + 50, r->rcv);
	r->send(r->arg, &f);
}

static void restart_timer(struct reference *r, uint64_t now_ns)
{
	r->due_ns = r->una == r->nxt ? UINT64_MAX : now_ns + RTO_S * NS_PER_S;
}

static void send_some(struct reference *r, uint64_t now_ns)
{
	if (r->state != REF_ESTABLISHED)
		return;
	while (r->nxt <= r->queued && r->nxt - r->una < WINDOW) {
		say(r, DATA, r->nxt++);
		if (r->due_ns == UINT64_MAX)
			restart_timer(r, now_ns);
	}
}

static void say_first(struct reference *r)
{
	if (r->state == REF_SYN_SENT)
		say(r, SYN, 0);
	else if (r->una > 0)
		say(r, DATA, r->una);
}

void reference_start(struct reference *r, uint64_t now_ns)
{
	r->due_ns = UINT64_MAX;
	if (!r->client)
		return;
	r->state = REF_SYN_SENT;
	r->nxt = 1;
	say(r, SYN, 0);
	restart_timer(r, now_ns);
}

void reference_put(struct reference *r, uint32_t up_to, uint64_t now_ns)
{
	r->queued = up_to;
	send_some(r, now_ns);
}

void reference_reset(struct reference *r)
{
	say(r, RST, 0);
	r->state = REF_GONE;
}

void reference_time(struct reference *r, uint64_t now_ns)
{
	if (now_ns < r->due_ns || r->state == REF_GONE)
		return;
	if (r->tries == TRIES) {
		r->state = REF_GONE;
		return;
	}
	r->tries++;
	say_first(r);
	restart_timer(r, now_ns);
}

/* --- what it hears --------------------------------------------------------------------------- */

static void hear_nothing_new(struct reference *r, uint64_t now_ns)
{
	r->dups++;
	if (r->dups != DUPS)
		return;
	if (r->una == r->nxt) {
		r->crashed = true;
		return;
	}
	say_first(r);
	restart_timer(r, now_ns);
}

static void hear_ack(struct reference *r, const struct raw_packet *p, uint64_t now_ns)
{
	if (p->ack < r->una || p->ack > r->nxt)
		return;
	if (p->ack == r->una && r->state == REF_ESTABLISHED) {
		hear_nothing_new(r, now_ns);
		return;
	}
	if (r->state == REF_SYN_RECEIVED)
		r->state = REF_ESTABLISHED;
	if (r->state != REF_ESTABLISHED)
		return;
	r->una = p->ack;
	r->dups = r->tries = 0;
	restart_timer(r, now_ns);
	send_some(r, now_ns);
}

static void hear_data(struct reference *r, const struct raw_packet *p)
{
	if (r->state != REF_ESTABLISHED)
		return;
	if (p->seq >= r->rcv && p->seq - r->rcv < EARLY)
		r->early |= UINT64_C(1) << (p->seq - r->rcv);
	for (; r->early & 1; r->early >>= 1)
		r->rcv++;
	say_ack(r);
}

static void hear_syn(struct reference *r)
{
	if (r->state != REF_CLOSED && r->state != REF_SYN_RECEIVED)
		return;
	r->state = REF_SYN_RECEIVED;
	r->rcv = r->nxt = 1;
	say(r, SYN_ACK, 0);
}

static void hear_syn_ack(struct reference *r, const struct raw_packet *p, uint64_t now_ns)
{
	if (p->ack != 1 || (r->state != REF_SYN_SENT && r->state != REF_ESTABLISHED))
		return;
	if (r->state == REF_SYN_SENT) {
		r->state = REF_ESTABLISHED;
		r->una = r->rcv = 1;
		r->tries = 0;
		restart_timer(r, now_ns);
	}
	say_ack(r);
	send_some(r, now_ns);
}

void reference_hear(struct reference *r, const struct raw_packet *p, uint64_t now_ns)
{
	if (r->state == REF_GONE)
		return;
	if (p->kind == SYN)
		hear_syn(r);
	else if (p->kind == SYN_ACK)
		hear_syn_ack(r, p, now_ns);
	else if (p->kind == ACK)
		hear_ack(r, p, now_ns);
	else if (p->kind == DATA)
		hear_data(r, p);
	else if (p->kind == RST && p->seq == r->rcv)
		r->state = REF_GONE;
}
