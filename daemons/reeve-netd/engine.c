/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"

/* Longer than a wake-up takes that the next frame would save; see SPEC.md. */
#define SPIN_NS UINT64_C(50000)

/* A turn of an application that gives way is shorter; so long then nobody is given way to. */
#define CROWDED_NS	UINT64_C(200000)
#define CROWDED_MOST_NS (NS_PER_S / 4)

enum { SHORT_TURNS = 64 };

void engine_wake(struct engine *e)
{
	const uint64_t one = 1;

	if (atomic_load(&e->asleep) && write(e->wake_fd, &one, sizeof(one)) < 0)
		return; /* it is full, so it is awake */
}

/* --- its thread ------------------------------------------------------------------------ */

static void answer_call(struct engine *e)
{
	if (!atomic_load_explicit(&e->called, memory_order_acquire))
		return;
	pthread_mutex_lock(&e->lock);
	e->fn(e, e->arg);
	stack_flush(e->stack);
	atomic_store(&e->called, false);
	pthread_cond_signal(&e->answered);
	pthread_mutex_unlock(&e->lock);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void wait_for_work(struct engine *e, uint64_t now)
{
	struct pollfd fds[] = { { .fd = e->wake_fd, .events = POLLIN },
				{ .fd = e->port->wait_fd, .events = POLLIN },
				{ .fd = e->exchange.n ? e->exchange.bells : -1,
				  .events = POLLIN } };
	uint64_t due = earlier(stack_deadline(e->stack), exchange_deadline(&e->exchange, now));
	uint64_t left = due > now ? due - now : 0, count;
	struct timespec wait = { .tv_sec = (time_t)(left / NS_PER_S),
				 .tv_nsec = (long)(left % NS_PER_S) };

	ppoll(fds, ARRAY_SIZE(fds), due == UINT64_MAX ? NULL : &wait, NULL);
	if (fds[0].revents && read(e->wake_fd, &count, sizeof(count)) < 0)
		return;
	/* The interface is gone: nothing comes from there any more. */
	if (fds[1].revents & (POLLERR | POLLNVAL))
		e->port->wait_fd = -1;
}

/* Whoever has something for us looks at `asleep` after it put that there: so we look once more. */
static void sleep_if_idle(struct engine *e)
{
	uint64_t now;

	atomic_store(&e->asleep, true);
	now = clock_mono_ns();
	if (!stack_poll(e->stack, now) && exchange_sleep(&e->exchange, now) &&
	    !atomic_load(&e->called) && !atomic_load(&e->stop)) {
		stack_rest(e->stack);
		wait_for_work(e, now);
	}
	atomic_store(&e->asleep, false);
	exchange_awake(&e->exchange);
}

/*
 * Who shares this CPU and gives way, too, has it back at once. Who does not, an application
 * that polls, keeps it until the kernel's clock ticks; a sleeper is let in as soon as it wakes.
 * Somebody who passes by is no such application, so at first it is tried again soon.
 */
static void give_way(struct engine *e, uint64_t now)
{
	sched_yield();
	if (clock_mono_ns() - now < CROWDED_NS) {
		if (++e->short_turns == SHORT_TURNS)
			e->crowded_ns = 0;
		return;
	}
	e->short_turns = 0;
	e->crowded_ns = e->crowded_ns ? earlier(2 * e->crowded_ns, CROWDED_MOST_NS) : NS_PER_MS;
	e->crowded_until = now + e->crowded_ns;
}

static void *run(void *arg)
{
	struct engine *e = arg;
	uint64_t busy_ns = 0;

	/* The kernel would add 50 us to the shortest naps. */
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	while (!atomic_load_explicit(&e->stop, memory_order_relaxed)) {
		uint64_t now = clock_mono_ns();

		bool any = stack_poll(e->stack, now);

		any |= exchange_turn(&e->exchange, now);
		answer_call(e); /* by the clock of now */
		if (any) {
			busy_ns = now;
			exchange_busy(&e->exchange);
		}
		if (now - busy_ns >= SPIN_NS || (!any && now < e->crowded_until))
			sleep_if_idle(e);
		else if (!any)
			give_way(e, now);
	}
	return NULL;
}

/* --- the control thread's side ------------------------------------------------------------ */

static int start_thread(struct engine *e, const struct cpuset *cpus)
{
	size_t bytes = CPU_ALLOC_SIZE(CPU_MAX);
	cpu_set_t *set = CPU_ALLOC(CPU_MAX);
	pthread_attr_t attr;
	int r;

	if (!set)
		return -ENOMEM;
	CPU_ZERO_S(bytes, set);
	for (unsigned cpu = cpuset_next(cpus, 0); cpu < CPU_MAX; cpu = cpuset_next(cpus, cpu + 1))
		CPU_SET_S(cpu, bytes, set);
	pthread_attr_init(&attr);
	r = cpuset_empty(cpus) ? 0 : pthread_attr_setaffinity_np(&attr, bytes, set);
	if (r == 0)
		r = pthread_create(&e->thread, &attr, run, e);
	pthread_attr_destroy(&attr);
	CPU_FREE(set);
	return -r;
}

int engine_start(struct engine *e, const struct cpuset *cpus, struct err *err)
{
	int r;

	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->answered, NULL);
	e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->wake_fd < 0)
		return fail(err, errno, "can't make an eventfd: %m");
	r = exchange_open(&e->exchange, e->stack);
	if (r == 0)
		r = start_thread(e, cpus);
	if (r < 0) {
		exchange_close(&e->exchange);
		close(e->wake_fd);
		return fail(err, -r, "can't start an engine on its CPUs: %s", strerror(-r));
	}
	e->running = true;
	return 0;
}

void engine_stop(struct engine *e)
{
	const uint64_t one = 1;

	if (e->running) {
		atomic_store(&e->stop, true);
		if (write(e->wake_fd, &one, sizeof(one)) == sizeof(one))
			pthread_join(e->thread, NULL);
		exchange_close(&e->exchange);
		close(e->wake_fd);
	}
	stack_free(e->stack);
	if (e->port)
		port_close(e->port);
	*e = (struct engine){ .number = e->number };
}

void engine_call(struct engine *e, engine_fn *fn, void *arg)
{
	pthread_mutex_lock(&e->lock);
	e->fn = fn;
	e->arg = arg;
	atomic_store_explicit(&e->called, true, memory_order_release);
	engine_wake(e);
	while (atomic_load(&e->called))
		pthread_cond_wait(&e->answered, &e->lock);
	pthread_mutex_unlock(&e->lock);
}
