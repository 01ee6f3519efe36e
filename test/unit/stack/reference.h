/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A daemon of the reference at the end of a flow, as far as others see it, after the
 * description of the protocol: every packet of data is acknowledged by one of its own,
 * 32 are under way at most, the third acknowledgement that brings nothing has the first sent
 * again, and so has a timer of three seconds, three times. With nothing under way that
 * third acknowledgement is its end.
 *
 * What it says are frames of a recording, acknowledgements one with other numbers.
 */
#ifndef TEST_STACK_REFERENCE_H
#define TEST_STACK_REFERENCE_H

#include "recording.h"

struct reference {
	const struct recording *rec;
	bool client; /* which side of the recording it is */
	enum { REF_CLOSED, REF_SYN_SENT, REF_SYN_RECEIVED, REF_ESTABLISHED, REF_GONE } state;
	uint32_t una, nxt, rcv;
	uint64_t early;	 /* bit n: rcv + n has come */
	uint32_t queued; /* data up to here may be sent */
	uint32_t dups, tries;
	uint64_t due_ns; /* UINT64_MAX: nothing is under way */
	bool crashed;
	/* Gives a frame to the network. */
	void (*send)(void *arg, const struct raw_frame *f);
	void *arg;
};

void reference_start(struct reference *r, uint64_t now_ns); /* the client: a SYN */
/* Its application sends what the recording has up to that number. */
void reference_put(struct reference *r, uint32_t up_to, uint64_t now_ns);
void reference_reset(struct reference *r);
void reference_hear(struct reference *r, const struct raw_packet *p, uint64_t now_ns);
void reference_time(struct reference *r, uint64_t now_ns);

#endif
