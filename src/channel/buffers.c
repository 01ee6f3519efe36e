/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "channel/channel.h"

/*
 * What was taken behind a thread of the application that stands still is not published as
 * taken. If it came to the application before that, and back, there would be no room in the
 * ring for it, as its library counts: that ends the process then.
 */
static void use_what_was_held(struct channel *c)
{
	if (!c->held)
		return;
	shared_ring_settle(&c->free);
	if (!c->free.take.n)
		c->held = 0;
}

int channel_take(struct channel *c, uint32_t *ret)
{
	use_what_was_held(c);
	while (!c->nspare) {
		int n = shared_ring_take(&c->free, c->spare, c->spare_most);
		uint32_t kept = 0;

		if (n <= 0)
			return n < 0 ? n : -EAGAIN;
		/* What is none is nobody's loss but the application's. */
		for (int i = 0; i < n; i++)
			if (c->spare[i] < c->nbufs)
				c->spare[kept++] = c->spare[i];
		c->nspare = kept;
		c->held = c->free.take.n ? kept : 0;
	}
	if (c->nspare == c->held)
		return -EAGAIN;
	*ret = c->spare[--c->nspare];
	return 0;
}

bool channel_has_free(const struct channel *c)
{
	return c->nspare > c->held || (!c->free.take.n && shared_ring_count(&c->free));
}

/* There are more than there are buffers only if the application named some twice. */
void channel_give(struct channel *c, uint32_t buf)
{
	if (c->nspare < c->nbufs)
		c->spare[c->nspare++] = buf;
}

/* The oldest go: what was used last is in the CPU's caches. */
int channel_settle(struct channel *c, bool *ret_waits)
{
	uint32_t most = ring_has_room(&c->rx) ? c->spare_most : 0;
	int n = 0;

	use_what_was_held(c);
	if (!c->held && c->nspare > most)
		n = shared_ring_put(&c->free, c->spare, c->nspare - most / 2);
	if (n > 0) {
		c->nspare -= (uint32_t)n;
		memmove(c->spare, c->spare + n, c->nspare * sizeof(*c->spare));
	}
	*ret_waits = !shared_ring_settle(&c->free);
	return n < 0 ? n : 0;
}

static uint8_t *at(const struct channel *c, uint32_t buf)
{
	return c->pool + (size_t)buf * CHAN_BUF_SIZE;
}

/* Word by word, so that no compiler reads anything of it again later. */
void channel_read(const struct channel *c, uint32_t buf, struct chan_buf *ret)
{
	const volatile uint64_t *from = (const volatile uint64_t *)(const void *)at(c, buf);
	uint64_t words[sizeof(*ret) / sizeof(uint64_t)] = { 0 };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		words[i] = from[i];
	memcpy(ret, words, sizeof(*ret));
}

const uint8_t *channel_data(const struct channel *c, uint32_t buf, const struct chan_buf *head)
{
	const uint32_t room = CHAN_BUF_SIZE - sizeof(*head);

	if (!head->data_len || head->data_len > room || head->data_ofs > room - head->data_len)
		return NULL;
	return at(c, buf) + sizeof(*head) + head->data_ofs;
}

void channel_write(struct channel *c, uint32_t buf, uint8_t flags, const struct chan_flow *flow,
		   const void *data, uint32_t len)
{
	const struct chan_buf head = {
		.magic = CHAN_BUF_MAGIC,
		.index = buf,
		.size = CHAN_HEADROOM + CHAN_MSS,
		.flags = flags,
		.flow = *flow,
		.data_len = len,
		.data_ofs = CHAN_HEADROOM,
		.next = CHAN_NONE,
		.last = CHAN_NONE,
	};

	memcpy(at(c, buf), &head, sizeof(head));
	memcpy(at(c, buf) + sizeof(head) + CHAN_HEADROOM, data, len);
}

void channel_chain(struct channel *c, uint32_t buf, uint32_t next)
{
	memcpy(at(c, buf) + offsetof(struct chan_buf, next), &next, sizeof(next));
}

void channel_tell_stats(struct channel *c, uint64_t drops, uint64_t messages, uint64_t bytes)
{
	__atomic_store_n(&c->stats->tx_drops, drops, __ATOMIC_RELAXED);
	__atomic_store_n(&c->stats->tx_messages, messages, __ATOMIC_RELAXED);
	__atomic_store_n(&c->stats->tx_bytes, bytes, __ATOMIC_RELAXED);
}

void channel_tell_sleep(struct channel *c, bool sleeps)
{
	__atomic_store_n(&c->stats->netd_sleeps, sleeps, __ATOMIC_RELAXED);
}

bool channel_app_waits(struct channel *c)
{
	return __atomic_load_n(&c->stats->app_waits, __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&c->stats->app_waits, 0, __ATOMIC_ACQ_REL);
}
