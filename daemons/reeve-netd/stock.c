/* SPDX-License-Identifier: BSD-3-Clause */
#include "stock.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "channel/channel.h"
#include "endpoint.h"

/*
 * What Machnet's library gets, and what ours asks for. The greater one is parked: mapping it
 * takes two milliseconds of the ten that an application may wait for it, and until then it
 * is not counted as this process's.
 */
static const struct {
	uint32_t buffers;
	bool parked;
} kinds[STOCK_KINDS] = { { CHAN_BUFS_MAX, true }, { CHAN_BUFS_USUAL, false } };

enum { PAUSE_MS = 3 };

/* --- the thread ------------------------------------------------------------------------ */

static bool make(uint32_t kind, struct channel **ret, int *ret_fd)
{
	if (channel_new(kinds[kind].buffers, ret, ret_fd) < 0)
		return false;
	if (!kinds[kind].parked || channel_park(*ret) == 0)
		return true;
	close(*ret_fd);
	channel_free(*ret);
	return false;
}

static int missing(const struct stock *s)
{
	for (int i = 0; i < STOCK_KINDS; i++)
		if (!s->shelf[i].ch)
			return i;
	return -1;
}

static void restock(struct stock *s, uint32_t kind)
{
	struct channel *ch;
	bool made;
	int fd;

	pthread_mutex_unlock(&s->lock);
	made = make(kind, &ch, &fd);
	pthread_mutex_lock(&s->lock);
	s->no_memory = !made;
	if (!made)
		return;
	s->shelf[kind].ch = ch;
	s->shelf[kind].fd = fd;
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
		int kind = missing(s);

		if (kind >= 0 && !s->no_memory) {
			restock(s, (uint32_t)kind);
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
	for (int i = 0; i < STOCK_KINDS; i++) {
		if (!s->shelf[i].ch)
			continue;
		close(s->shelf[i].fd);
		channel_free(s->shelf[i].ch);
	}
	while (s->nbin)
		endpoint_free(s->bin[--s->nbin]);
	*s = (struct stock){ 0 };
}

/* Of which kind it is; -1: none is ready. */
static int take_ready(struct stock *s, uint32_t buffers, struct channel **ret, int *ret_fd)
{
	int found = -1;

	if (!try_lock(s))
		return -1;
	for (int i = 0; i < STOCK_KINDS; i++)
		if (kinds[i].buffers == buffers && s->shelf[i].ch)
			found = i;
	if (found >= 0) {
		*ret = s->shelf[found].ch;
		*ret_fd = s->shelf[found].fd;
		s->shelf[found].ch = NULL;
	}
	s->no_memory = false;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	return found;
}

int stock_take(struct stock *s, uint32_t buffers, struct channel **ret, int *ret_fd)
{
	int kind = take_ready(s, buffers, ret, ret_fd), r = 0;

	if (kind < 0)
		return channel_new(buffers, ret, ret_fd);
	if (kinds[kind].parked)
		r = channel_unpark(*ret, *ret_fd);
	if (r < 0) {
		close(*ret_fd);
		channel_free(*ret);
	}
	return r;
}

void stock_drop(struct stock *s, struct endpoint *ep)
{
	bool taken = false;

	if (try_lock(s)) {
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
	while (s->running && (!s->idle || s->nbin || (missing(s) >= 0 && !s->no_memory)))
		pthread_cond_wait(&s->done, &s->lock);
	pthread_mutex_unlock(&s->lock);
}
