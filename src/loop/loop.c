/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A batch of events names watches by address. loop_del() clears those of the
 * batch in progress, so a watch that one callback ends is not called by a later
 * event of the same batch.
 */
#include "loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

enum { BATCH = 64 };

struct loop {
	int epoll;
	int code;
	bool done;
	int nready;
	struct epoll_event ready[BATCH];
	void (*idle)(void *arg);
	void *idle_arg;
};

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		int r = -errno;

		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	close(l->epoll);
	free(l);
}

int loop_add(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn *fn)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	*w = (struct watch){ .fd = fd, .events = events, .fn = fn, .loop = l };
	return 0;
}

int loop_mod(struct watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (!w->loop)
		return -EBADF;
	if (w->events == events)
		return 0;
	if (epoll_ctl(w->loop->epoll, EPOLL_CTL_MOD, w->fd, &ev) < 0)
		return -errno;
	w->events = events;
	return 0;
}

void loop_del(struct watch *w)
{
	struct loop *l = w->loop;

	if (!l)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = 0; i < l->nready; i++)
		if (l->ready[i].data.ptr == w)
			l->ready[i].data.ptr = NULL;
	w->loop = NULL;
}

void loop_on_idle(struct loop *l, void (*fn)(void *arg), void *arg)
{
	l->idle = fn;
	l->idle_arg = arg;
}

static int run_batch(struct loop *l)
{
	int n = epoll_wait(l->epoll, l->ready, BATCH, -1);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	l->nready = n;
	for (int i = 0; i < l->nready && !l->done; i++) {
		struct watch *w = l->ready[i].data.ptr;

		if (w)
			w->fn(w, l->ready[i].events);
	}
	l->nready = 0;
	return 0;
}

int loop_run(struct loop *l)
{
	l->done = false;
	while (!l->done) {
		int r;

		if (l->idle)
			l->idle(l->idle_arg);
		r = run_batch(l);
		if (r < 0)
			return r;
	}
	if (l->idle)
		l->idle(l->idle_arg);
	return l->code;
}

void loop_exit(struct loop *l, int code)
{
	l->code = code;
	l->done = true;
}

int loop_signals(const sigset_t *set)
{
	int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int loop_signal_next(int fd)
{
	struct signalfd_siginfo info;
	ssize_t n = read(fd, &info, sizeof(info));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n == (ssize_t)sizeof(info) ? (int)info.ssi_signo : -EIO;
}

int loop_timer(void)
{
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int loop_timer_set(int fd, uint64_t boot_ns)
{
	struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(boot_ns / NS_PER_S),
			      .tv_nsec = (long)(boot_ns % NS_PER_S) },
	};

	return timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL) < 0 ? -errno : 0;
}

void loop_timer_clear(int fd)
{
	uint64_t count;

	/* EAGAIN just says that it did not expire. */
	if (read(fd, &count, sizeof(count)) < 0)
		return;
}
