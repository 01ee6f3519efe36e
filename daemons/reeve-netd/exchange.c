/* SPDX-License-Identifier: BSD-3-Clause */
#include "exchange.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { TURN = 64 /* channels */, BELLS = 64 };

#define NAP_FIRST_NS UINT64_C(20000)
#define NAP_MOST_NS  NS_PER_MS

int exchange_open(struct exchange *x, struct stack *s)
{
	*x = (struct exchange){ .stack = s, .bells = epoll_create1(EPOLL_CLOEXEC) };
	return x->bells < 0 ? -errno : 0;
}

void exchange_close(struct exchange *x)
{
	while (x->at)
		exchange_remove(x, x->at);
	if (x->bells > 0)
		close(x->bells);
	x->bells = -1;
}

void exchange_add(struct exchange *x, struct endpoint *ep)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = ep };

	endpoint_join(ep, x->stack);
	if (!x->at) {
		ep->next = ep->prev = x->at = ep;
	} else {
		ep->next = x->at;
		ep->prev = x->at->prev;
		ep->prev->next = ep->next->prev = ep;
	}
	x->n++;
	ep->polled = ep->bell >= 0 && epoll_ctl(x->bells, EPOLL_CTL_ADD, ep->bell, &e) < 0;
	exchange_busy(x);
}

void exchange_remove(struct exchange *x, struct endpoint *ep)
{
	endpoint_leave(ep);
	if (ep->bell >= 0)
		epoll_ctl(x->bells, EPOLL_CTL_DEL, ep->bell, NULL);
	ep->next->prev = ep->prev;
	ep->prev->next = ep->next;
	if (x->at == ep)
		x->at = ep->next == ep ? NULL : ep->next;
	ep->next = ep->prev = NULL;
	x->n--;
}

void exchange_silence(struct exchange *x, struct endpoint *ep)
{
	if (ep->bell >= 0)
		epoll_ctl(x->bells, EPOLL_CTL_DEL, ep->bell, NULL);
	ep->bell = -1;
}

/* It may break in its turn, and between turns, when something comes for it. */
static void look_after(struct exchange *x, struct endpoint *ep)
{
	if (!atomic_load_explicit(&ep->broken, memory_order_relaxed) || ep->break_told)
		return;
	ep->break_told = true;
	x->broken(x->arg);
}

static bool serve(struct exchange *x, uint32_t n, uint64_t now)
{
	bool any = false;

	for (; n && x->at; n--) {
		struct endpoint *ep = x->at;

		x->at = ep->next;
		any |= endpoint_turn(ep, now);
		look_after(x, ep);
	}
	if (any)
		stack_flush(x->stack);
	return any;
}

bool exchange_turn(struct exchange *x, uint64_t now_ns)
{
	return serve(x, x->n < TURN ? x->n : TURN, now_ns);
}

/* --- sleep ------------------------------------------------------------------------------- */

static void tell_all(struct exchange *x, bool sleeps)
{
	struct endpoint *ep = x->at;

	for (uint32_t i = 0; i < x->n; i++, ep = ep->next)
		if (ep->rings)
			channel_tell_sleep(ep->ch, sleeps);
}

bool exchange_sleep(struct exchange *x, uint64_t now_ns)
{
	tell_all(x, true);
	atomic_thread_fence(memory_order_seq_cst);
	return !serve(x, x->n, now_ns);
}

static bool wants_polls(const struct exchange *x)
{
	const struct endpoint *ep = x->at;

	for (uint32_t i = 0; i < x->n; i++, ep = ep->next)
		if (endpoint_wants_polls(ep))
			return true;
	return false;
}

static uint64_t longer(uint64_t nap)
{
	if (!nap)
		return NAP_FIRST_NS;
	return 2 * nap < NAP_MOST_NS ? 2 * nap : NAP_MOST_NS;
}

uint64_t exchange_deadline(struct exchange *x, uint64_t now_ns)
{
	const struct endpoint *ep = x->at;
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < x->n; i++, ep = ep->next) {
		uint64_t due = endpoint_deadline(ep);

		next = due < next ? due : next;
	}
	if (!wants_polls(x))
		return next;
	x->nap_ns = longer(x->nap_ns);
	return now_ns + x->nap_ns < next ? now_ns + x->nap_ns : next;
}

/*
 * Bytes alone are taken. A descriptor that comes along would be closed here, and a
 * foreign socket can make its last closer wait: who sends one rings no more.
 */
static void take_bell(struct exchange *x, struct endpoint *ep)
{
	char bytes[256];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(ep->bell, &msg, MSG_DONTWAIT | MSG_PEEK);

	if (n > 0 && !(msg.msg_flags & MSG_CTRUNC)) {
		recv(ep->bell, bytes, (size_t)n, MSG_DONTWAIT);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Its end: the control thread sees it, too. */
	epoll_ctl(x->bells, EPOLL_CTL_DEL, ep->bell, NULL);
	if (n > 0)
		atomic_store(&ep->broken, true);
	look_after(x, ep);
}

void exchange_awake(struct exchange *x)
{
	struct epoll_event events[BELLS];
	int n = x->n ? epoll_wait(x->bells, events, BELLS, 0) : 0;

	for (int i = 0; i < n; i++)
		take_bell(x, events[i].data.ptr);
	tell_all(x, false);
}
