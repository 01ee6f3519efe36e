/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One epoll set, one thread. A watch is embedded in its owner, which must
 * loop_del() it before the memory goes; after that its callback is not called
 * again, not even for an event of the batch in progress. The loop never owns
 * a watched descriptor.
 */
#ifndef REEVE_LOOP_LOOP_H
#define REEVE_LOOP_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct watch;

typedef void watch_fn(struct watch *w, uint32_t events);

struct watch {
	int fd;
	uint32_t events; /* EPOLLIN ...; level-triggered */
	watch_fn *fn;
	struct loop *loop; /* NULL while not watched */
};

/* The struct that `member` is embedded in. */
#define watch_owner(w, type, member) ((type *)(void *)((char *)(w)-offsetof(type, member)))

int loop_new(struct loop **ret);
void loop_free(struct loop *l); /* accepts NULL */

int loop_add(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn *fn);
int loop_mod(struct watch *w, uint32_t events);
void loop_del(struct watch *w); /* accepts one that is not watched */

/* Runs after each batch of events, before sleeping; one for each loop. */
void loop_on_idle(struct loop *l, void (*fn)(void *arg), void *arg);

/* Until loop_exit(); returns its code, or a negative errno when epoll fails. */
int loop_run(struct loop *l);
void loop_exit(struct loop *l, int code);

/* A descriptor that reads as the blocked signals of `set`; see signalfd(2). */
int loop_signals(const sigset_t *set);
/* Next of those signals that is pending; 0 when none is, or -errno. */
int loop_signal_next(int fd);

/* A timer is a descriptor: readable once `boot_ns` (CLOCK_BOOTTIME) has come; 0 stops it. */
int loop_timer(void);
int loop_timer_set(int fd, uint64_t boot_ns);
/* Takes the expiry away after the callback ran. */
void loop_timer_clear(int fd);

#endif
