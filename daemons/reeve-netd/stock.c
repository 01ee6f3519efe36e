/* SPDX-License-Identifier: BSD-3-Clause */
#include "stock.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "endpoint.h"

enum { PAUSE_MS = 3 };

/* --- the thread ------------------------------------------------------------------------ */

/* Half of it is parked: so much less is counted as this process's while nobody has it. */
static void restock(struct stock *s)
{
	struct channel *ch;
	bool made;
	int fd;

	pthread_mutex_unlock(&s->lock);
	made = channel_new(CHAN_BUFS_MAX, &ch, &fd) == 0;
	if (made)
		channel_park(ch);
	pthread_mutex_lock(&s->lock);
	s->no_memory = !made;
	if (!made)
		return;
	s->ready = ch;
	s->ready_fd = fd;
}

/* It may have been freed meanwhile: then there is nothing to map, which does no harm. */
static void unpark(struct stock *s)
{
	const struct channel ch = s->parked;

	s->parked.base = NULL;
	pthread_mutex_unlock(&s->lock);
	channel_unpark(&ch);
	pthread_mutex_lock(&s->lock);
}

static void empty_bin(struct stock *s)
{
	struct endpoint *ep = s->bin[--s->nbin];

	pthread_mutex_unlock(&s->lock);
	endpoint_free(ep);
	pthread_mutex_lock(&s->lock);
}

/* Who took the last one has his answer first, also where both share a CPU. */
static void let_others_go_first(struct stock *s)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * (long)NS_PER_MS };

	pthread_mutex_unlock(&s->lock);
	nanosleep(&pause, NULL);
	pthread_mutex_lock(&s->lock);
}

static void *run(void *arg)
{
	struct stock *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		if (s->parked.base) {
			unpark(s);
		} else if (!s->ready && !s->no_memory) {
			restock(s);
		} else if (s->nbin) {
			empty_bin(s);
		} else {
			s->idle = true;
			pthread_cond_signal(&s->done);
			pthread_cond_wait(&s->work, &s->lock);
			s->idle = false;
			if (!s->stop)
				let_others_go_first(s);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- the control thread ---------------------------------------------------------------- */

/* The other thread may have been stopped with the lock in its hand; nobody waits for that. */
static bool try_lock(struct stock *s)
{
	return s->running && pthread_mutex_trylock(&s->lock) == 0;
}

int stock_open(struct stock *s)
{
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->done, NULL);
	s->running = true;
	if (pthread_create(&s->thread, NULL, run, s) != 0)
		s->running = false;
	return s->running ? 0 : -EAGAIN;
}

void stock_close(struct stock *s)
{
	if (!s->running)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	if (s->ready) {
		close(s->ready_fd);
		channel_free(s->ready);
	}
	while (s->nbin)
		endpoint_free(s->bin[--s->nbin]);
	*s = (struct stock){ 0 };
}

static bool take_ready(struct stock *s, struct channel **ret, int *ret_fd)
{
	bool found;

	if (!try_lock(s))
		return false;
	found = s->ready;
	if (found) {
		*ret = s->ready;
		*ret_fd = s->ready_fd;
		s->parked = *s->ready;
		s->ready = NULL;
	}
	s->no_memory = false;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	return found;
}

int stock_take(struct stock *s, uint32_t buffers, struct channel **ret, int *ret_fd)
{
	if (buffers == CHAN_BUFS_MAX && take_ready(s, ret, ret_fd))
		return 0;
	return channel_new(buffers, ret, ret_fd);
}

void stock_drop(struct stock *s, struct endpoint *ep)
{
	bool taken = false;

	if (try_lock(s)) {
		if (s->parked.base == ep->ch->base)
			s->parked.base = NULL;
		taken = s->nbin < STOCK_BIN;
		if (taken)
			s->bin[s->nbin++] = ep;
		pthread_cond_signal(&s->work);
		pthread_mutex_unlock(&s->lock);
	}
	if (!taken)
		endpoint_free(ep);
}

void stock_settle(struct stock *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->running && (!s->idle || s->nbin || s->parked.base || (!s->ready && !s->no_memory)))
		pthread_cond_wait(&s->done, &s->lock);
	pthread_mutex_unlock(&s->lock);
}
