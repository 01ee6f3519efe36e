/* SPDX-License-Identifier: BSD-3-Clause */
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

enum { STUCK = 99 };

/* A counter that is readable while it is not zero, and what its callback saw. */
struct probe {
	struct watch w;
	struct loop *loop;
	struct probe *other;
	unsigned calls;
	uint32_t events;
};

struct bench {
	struct loop *loop;
	struct probe a, b;
	struct watch guard;
	int guard_fd;
};

static int probe_fd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void ring(int fd)
{
	assert_int_equal(eventfd_write(fd, 1), 0);
}

static void hush(int fd)
{
	eventfd_t value;

	assert_int_equal(eventfd_read(fd, &value), 0);
}

static struct probe *note(struct watch *w, uint32_t events)
{
	struct probe *p = (struct probe *)((char *)w - offsetof(struct probe, w));

	p->calls++;
	p->events = events;
	return p;
}

static void on_end(struct watch *w, uint32_t events)
{
	loop_exit(note(w, events)->loop, 7);
}

/* A loop that nothing wakes is a failed test, not one that hangs. */
static void on_guard(struct watch *w, uint32_t events)
{
	(void)events;
	loop_timer_clear(w->fd);
	loop_exit(w->loop, STUCK);
}

static int bench_up(void **state)
{
	static struct bench b;

	memset(&b, 0, sizeof(b));
	if (loop_new(&b.loop))
		return -1;
	b.a.loop = b.b.loop = b.loop;
	b.a.other = &b.b;
	b.b.other = &b.a;
	b.guard_fd = loop_timer();
	if (loop_timer_set(b.guard_fd, clock_boot_ns() + 20 * NS_PER_S))
		return -1;
	*state = &b;
	return loop_add(b.loop, &b.guard, b.guard_fd, EPOLLIN, on_guard);
}

static int bench_down(void **state)
{
	struct bench *b = *state;

	loop_del(&b->guard);
	close(b->guard_fd);
	loop_free(b->loop);
	return 0;
}

static void an_event_reaches_its_watch(void **state)
{
	struct bench *b = *state;
	int fd = probe_fd();

	assert_int_equal(loop_add(b->loop, &b->a.w, fd, EPOLLIN, on_end), 0);
	assert_int_equal(b->a.w.fd, fd);
	ring(fd);
	assert_int_equal(loop_run(b->loop), 7);
	assert_int_equal(b->a.calls, 1);
	assert_int_equal(b->a.events, EPOLLIN);
	close(fd);
}

static void on_third(struct watch *w, uint32_t events)
{
	if (note(w, events)->calls == 3)
		hush(w->fd);
}

static void on_count(struct watch *w, uint32_t events)
{
	struct probe *p = note(w, events);

	if (p->calls == 10)
		loop_exit(p->loop, 0);
}

static void events_come_until_they_are_dealt_with(void **state)
{
	struct bench *b = *state;
	int fd = probe_fd(), pace = probe_fd();

	assert_int_equal(loop_add(b->loop, &b->a.w, fd, EPOLLIN, on_third), 0);
	assert_int_equal(loop_add(b->loop, &b->b.w, pace, EPOLLIN, on_count), 0);
	ring(fd);
	ring(pace);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->a.calls, 3);
	assert_int_equal(b->b.calls, 10);
	close(fd);
	close(pace);
}

static void on_end_other(struct watch *w, uint32_t events)
{
	struct probe *p = note(w, events);

	loop_del(&p->other->w);
	loop_exit(p->loop, 0);
}

/* Both are ready: whichever is first ends the other, whose memory may be gone then. */
static void a_watch_ended_in_the_batch_is_not_called(void **state)
{
	struct bench *b = *state;
	int fda = probe_fd(), fdb = probe_fd();

	assert_int_equal(loop_add(b->loop, &b->a.w, fda, EPOLLIN, on_end_other), 0);
	assert_int_equal(loop_add(b->loop, &b->b.w, fdb, EPOLLIN, on_end_other), 0);
	ring(fda);
	ring(fdb);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->a.calls + b->b.calls, 1);
	close(fda);
	close(fdb);
}

static void on_replace_other(struct watch *w, uint32_t events)
{
	struct probe *p = note(w, events), *other = p->other;
	int fd = other->w.fd;

	if (p->calls > 1 || other->calls) {
		loop_exit(p->loop, 0);
		return;
	}
	loop_del(&other->w);
	hush(fd);
	hush(w->fd);
	assert_int_equal(loop_add(p->loop, &other->w, fd, EPOLLIN, on_replace_other), 0);
	loop_exit(p->loop, 0);
}

/* The event was for the old use of the watch: the new one has none. */
static void a_watch_used_again_in_the_batch_starts_clean(void **state)
{
	struct bench *b = *state;
	int fda = probe_fd(), fdb = probe_fd();

	assert_int_equal(loop_add(b->loop, &b->a.w, fda, EPOLLIN, on_replace_other), 0);
	assert_int_equal(loop_add(b->loop, &b->b.w, fdb, EPOLLIN, on_replace_other), 0);
	ring(fda);
	ring(fdb);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->a.calls + b->b.calls, 1);
	ring(fda);
	ring(fdb);
	assert_int_equal(loop_run(b->loop), 0);
	assert_in_range(b->a.calls + b->b.calls, 2, 3);
	close(fda);
	close(fdb);
}

static void on_end_self(struct watch *w, uint32_t events)
{
	struct probe *p = note(w, events);

	loop_del(w);
	loop_del(w);
	loop_exit(p->loop, 0);
}

static void a_watch_may_end_itself(void **state)
{
	struct bench *b = *state;
	int fd = probe_fd(), pace = probe_fd();

	assert_int_equal(loop_add(b->loop, &b->a.w, fd, EPOLLIN, on_end_self), 0);
	ring(fd);
	assert_int_equal(loop_run(b->loop), 0);
	assert_null(b->a.w.loop);
	/* It is still ready, but nobody's any more. */
	assert_int_equal(loop_add(b->loop, &b->b.w, pace, EPOLLIN, on_count), 0);
	ring(pace);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->a.calls, 1);
	close(fd);
	close(pace);
}

static void mod_changes_what_is_waited_for(void **state)
{
	struct bench *b = *state;
	int fd = probe_fd(), pace = probe_fd();

	assert_int_equal(loop_add(b->loop, &b->a.w, fd, 0, on_end), 0);
	assert_int_equal(loop_add(b->loop, &b->b.w, pace, EPOLLIN, on_count), 0);
	ring(fd);
	ring(pace);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->a.calls, 0);
	loop_del(&b->b.w);
	assert_int_equal(loop_mod(&b->a.w, EPOLLIN | EPOLLOUT), 0);
	assert_int_equal(loop_mod(&b->a.w, EPOLLIN | EPOLLOUT), 0);
	assert_int_equal(loop_run(b->loop), 7);
	assert_int_equal(b->a.events, EPOLLIN | EPOLLOUT);
	close(fd);
	close(pace);
}

static void misuse_is_reported(void **state)
{
	struct bench *b = *state;
	struct watch w = { .fd = -1 }, before = w;
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC), fd = probe_fd();

	assert_int_equal(loop_add(b->loop, &w, -1, EPOLLIN, on_end), -EBADF);
	/* A regular file or a device that can't be waited for. */
	assert_int_equal(loop_add(b->loop, &w, file, EPOLLIN, on_end), -EPERM);
	assert_memory_equal(&w, &before, sizeof(w));
	assert_int_equal(loop_mod(&w, EPOLLIN), -EBADF);
	assert_int_equal(loop_add(b->loop, &b->a.w, fd, EPOLLIN, on_end), 0);
	assert_int_equal(loop_add(b->loop, &w, fd, EPOLLIN, on_end), -EEXIST);
	assert_null(w.loop);
	loop_del(&w);
	loop_free(NULL);
	close(file);
	close(fd);
}

struct idle {
	struct loop *loop;
	int fd;
	unsigned calls;
};

static void idle_once(void *arg)
{
	struct idle *i = arg;

	if (++i->calls == 1)
		ring(i->fd);
}

/* The log is flushed there: it must come before the first sleep and after the last event. */
static void idle_runs_before_sleeping_and_at_the_end(void **state)
{
	struct bench *b = *state;
	struct idle i = { .loop = b->loop, .fd = probe_fd() };

	loop_on_idle(b->loop, idle_once, &i);
	assert_int_equal(loop_add(b->loop, &b->a.w, i.fd, EPOLLIN, on_end), 0);
	assert_int_equal(loop_run(b->loop), 7);
	assert_int_equal(b->a.calls, 1);
	assert_int_equal(i.calls, 2);
	close(i.fd);
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct probe *p = note(w, events);

	assert_int_equal(loop_signal_next(w->fd), SIGUSR1);
	assert_int_equal(loop_signal_next(w->fd), SIGUSR2);
	assert_int_equal(loop_signal_next(w->fd), 0);
	loop_exit(p->loop, 0);
}

static void signals_are_read_one_by_one(void **state)
{
	struct bench *b = *state;
	sigset_t set, old;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &old), 0);
	fd = loop_signals(&set);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(loop_signal_next(fd), 0);
	assert_int_equal(loop_add(b->loop, &b->a.w, fd, EPOLLIN, on_signal), 0);
	assert_int_equal(raise(SIGUSR2), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->a.calls, 1);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	close(fd);
}

static void signal_of_a_bad_descriptor_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(loop_signal_next(-1), -EBADF);
}

static bool expired(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int set = epoll_create1(EPOLL_CLOEXEC), n;

	assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev), 0);
	n = epoll_wait(set, &ev, 1, 0);
	close(set);
	return n == 1;
}

static void a_timer_wakes_the_loop(void **state)
{
	struct bench *b = *state;
	uint64_t due = clock_boot_ns() + 2 * NS_PER_MS;
	int fd = loop_timer();

	assert_true(fd >= 0);
	assert_int_equal(loop_add(b->loop, &b->a.w, fd, EPOLLIN, on_end), 0);
	assert_int_equal(loop_timer_set(fd, due), 0);
	assert_int_equal(loop_run(b->loop), 7);
	assert_true(clock_boot_ns() >= due);
	loop_timer_clear(fd);
	assert_false(expired(fd));
	close(fd);
}

static void a_time_that_has_passed_is_due_at_once(void **state)
{
	int fd = loop_timer();

	(void)state;
	assert_int_equal(loop_timer_set(fd, 1), 0);
	assert_true(expired(fd));
	loop_timer_clear(fd);
	assert_false(expired(fd));
	/* Clearing one that did not expire must not wait for it. */
	loop_timer_clear(fd);
	close(fd);
}

static void zero_stops_a_timer(void **state)
{
	int fd = loop_timer();

	(void)state;
	assert_int_equal(loop_timer_set(fd, 1), 0);
	assert_int_equal(loop_timer_set(fd, 0), 0);
	assert_false(expired(fd));
	assert_int_equal(loop_timer_set(fd, clock_boot_ns() + NS_PER_MS), 0);
	assert_int_equal(loop_timer_set(fd, 0), 0);
	assert_false(expired(fd));
	close(fd);
}

static void a_time_far_away_is_not_due(void **state)
{
	int fd = loop_timer();

	(void)state;
	assert_int_equal(loop_timer_set(fd, UINT64_MAX), 0);
	assert_false(expired(fd));
	close(fd);
}

#define on_bench(f) cmocka_unit_test_setup_teardown(f, bench_up, bench_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_bench(an_event_reaches_its_watch),
		on_bench(events_come_until_they_are_dealt_with),
		on_bench(a_watch_ended_in_the_batch_is_not_called),
		on_bench(a_watch_used_again_in_the_batch_starts_clean),
		on_bench(a_watch_may_end_itself),
		on_bench(mod_changes_what_is_waited_for),
		on_bench(misuse_is_reported),
		on_bench(idle_runs_before_sleeping_and_at_the_end),
		on_bench(signals_are_read_one_by_one),
		cmocka_unit_test(signal_of_a_bad_descriptor_is_an_error),
		on_bench(a_timer_wakes_the_loop),
		cmocka_unit_test(a_time_that_has_passed_is_due_at_once),
		cmocka_unit_test(zero_stops_a_timer),
		cmocka_unit_test(a_time_far_away_is_not_due),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
