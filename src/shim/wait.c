/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/wait.h"

#include <poll.h>
#include <sched.h>
#include <time.h>

#include "base/clock.h"

enum {
	SPIN_NS = 50000,
	NAP_NS = 20000, /* the first; each is twice as long as the one before */
	NAP_MAX_NS = 1000000,
};

/* --- for what ------------------------------------------------------------------------------- */

static bool has_message(const struct channel *c)
{
	return ring_count(&c->view.rx) > 0;
}

static bool has_completion(const struct channel *c)
{
	return ring_count(&c->view.cq) > 0;
}

/* An error is an answer, too: who asks will meet it. */
static bool takes_request(const struct channel *c)
{
	return ring_room(&c->view.sq) != 0;
}

static bool has_room(const struct channel *c)
{
	return ring_room(&c->view.tx) != 0 && c->cached + ring_count(&c->view.free) >= c->wanted;
}

/* For one message after another each would cost a switch to the daemon and back. */
static bool has_much_room(const struct channel *c)
{
	return ring_room(&c->view.tx) >= CHAN_RING_SLOTS / 4 && has_room(c);
}

const struct wait wait_message = { .ready = has_message, .told = true };
const struct wait wait_completion = { .ready = has_completion, .told = true };
const struct wait wait_request = { .ready = takes_request };
const struct wait wait_room = { .ready = has_room, .worthwhile = has_much_room };

/* --- how ------------------------------------------------------------------------------------ */

uint64_t wait_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? WAIT_FOR_EVER : clock_mono_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

static struct timespec as_timespec(uint64_t ns)
{
	return (struct timespec){ (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };
}

static int nap(struct channel *c, uint64_t ns)
{
	struct timespec t = as_timespec(ns);

	if (nanosleep(&t, NULL) < 0)
		return -errno;
	return channel_check(c);
}

static int sleep_armed(struct channel *c, const struct wait *w, uint64_t ns)
{
	struct pollfd p = { .fd = c->sock, .events = POLLIN };
	struct timespec t = as_timespec(ns);
	int r = channel_arm(c);

	if (r < 0)
		return r;
	if (!w->ready(c)) {
		c->counts.sleeps++;
		if (ppoll(&p, 1, ns == WAIT_FOR_EVER ? NULL : &t, NULL) < 0)
			r = -errno;
	}
	channel_disarm(c);
	return r;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * A sleep, and being woken from it, take longer than most answers. The engine may share this
 * CPU, and then it is the one to go on.
 */
static bool spin(const struct channel *c, bool (*enough)(const struct channel *c),
		 uint64_t deadline_ns)
{
	uint64_t end = least(clock_mono_ns() + SPIN_NS, deadline_ns);

	do {
		if (enough(c))
			return true;
		sched_yield();
	} while (clock_mono_ns() < end);
	return false;
}

int wait_until(struct channel *c, const struct wait *w, uint64_t deadline_ns)
{
	bool (*enough)(const struct channel *c) = w->worthwhile ?: w->ready;
	bool told = w->told && channel_rings(c);
	uint64_t step = NAP_NS;
	int r = 0;

	if (spin(c, enough, deadline_ns))
		return 0;
	while (r == 0 && !enough(c)) {
		uint64_t now = deadline_ns == WAIT_FOR_EVER ? 0 : clock_mono_ns(), left;

		if (now >= deadline_ns) {
			r = -ETIMEDOUT;
			break;
		}
		left = deadline_ns == WAIT_FOR_EVER ? WAIT_FOR_EVER : deadline_ns - now;
		r = told ? sleep_armed(c, w, left) : nap(c, least(left, step));
		step = least(2 * step, NAP_MAX_NS);
		if (step == NAP_MAX_NS)
			enough = w->ready;
	}
	return w->ready(c) ? 0 : r;
}
