/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/channel.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "shim/bufs.h"

static_assert(sizeof(struct channel) % 64 == 0, "the memory behind it is aligned");

enum { AHEAD = 4 << 20 }; /* whoever attaches would wait a millisecond more for the rest */

/* --- the mapping ---------------------------------------------------------------------------- */

static uintptr_t round_up(uintptr_t n, uintptr_t to)
{
	return (n + to - 1) / to * to;
}

/* Address space only: where nothing is mapped in the end, a touch is an error. */
static int reserve(size_t len, struct region *ret)
{
	void *at = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	*ret = (struct region){ at, len };
	return 0;
}

/* What is written to first is there at once; the rest comes as it is touched. */
static void *map_memory(void *at, size_t len, int fd, size_t block)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;
	size_t ahead = len < AHEAD || AHEAD % block ? len : AHEAD;
	void *p = mmap(at, ahead, prot, flags | MAP_POPULATE, fd, 0);

	if (p == MAP_FAILED || ahead == len)
		return p;
	if (mmap((char *)at + ahead, len - ahead, prot, flags, fd, (off_t)ahead) == MAP_FAILED)
		return MAP_FAILED;
	return p;
}

/* A file says by its block size what pages it is of, huge ones, too: there it must begin. */
static void *map_into(const struct region *where, int fd, const struct stat *st)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t block = (uintptr_t)st->st_blksize, align = block > page ? block : page;
	uintptr_t memory = round_up((uintptr_t)where->at + sizeof(struct channel), align);
	uintptr_t ours = (memory - sizeof(struct channel)) / page * page;

	if (mprotect((void *)ours, memory - ours, PROT_READ | PROT_WRITE) < 0)
		return MAP_FAILED;
	return map_memory((void *)memory, (size_t)st->st_size, fd, align);
}

static int set_up(const struct region *where, void *memory, uint64_t size, struct channel **ret)
{
	struct channel *c = (struct channel *)memory - 1;
	int r;

	c->region = *where;
	c->size = size;
	c->sock = -1;
	r = view_read(&c->view, channel_ctx(c), size);
	if (r < 0)
		return r;
	c->mark = CHANNEL_MARK;
	c->req_id = __atomic_load_n(&c->view.ctx->req_id, __ATOMIC_RELAXED);
	*ret = c;
	return 0;
}

static size_t room_for(const struct stat *st)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), block = (size_t)st->st_blksize;

	return sizeof(struct channel) + (size_t)st->st_size + 2 * page + 2 * block;
}

int channel_map(int fd, int sock, struct channel **ret)
{
	struct region where = { 0 };
	struct stat st;
	void *memory;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct chan_ctx) ||
	    st.st_size > INT32_MAX)
		return -EPROTO;
	r = reserve(room_for(&st), &where);
	if (r < 0)
		return r;
	memory = map_into(&where, fd, &st);
	r = memory == MAP_FAILED ? -errno : set_up(&where, memory, (uint64_t)st.st_size, ret);
	if (r < 0) {
		munmap(where.at, where.len);
		return r;
	}
	(*ret)->sock = sock;
	return 0;
}

void channel_unmap(struct channel *c)
{
	if (!c)
		return;
	channel_disarm(c);
	bufs_flush(c);
	if (c->sock >= 0)
		close(c->sock);
	munmap(c->region.at, c->region.len);
}

void *channel_ctx(struct channel *c)
{
	return c + 1;
}

struct channel *channel_of(const void *ctx)
{
	struct channel *c = (struct channel *)(uintptr_t)ctx;

	if (!c || (uintptr_t)c % 64)
		return NULL;
	c--;
	return c->mark == CHANNEL_MARK ? c : NULL;
}

/* --- the daemon ----------------------------------------------------------------------------- */

int channel_break(struct channel *c, int r)
{
	if (!c->broken)
		c->broken = r;
	return r;
}

int channel_check(struct channel *c)
{
	char bytes[64];
	ssize_t n;

	if (c->broken || c->sock < 0)
		return c->broken;
	do
		n = recv(c->sock, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n == sizeof(bytes) || (n < 0 && errno == EINTR));
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return channel_break(c, -ENOTCONN);
	return 0;
}

static uint64_t coarse_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

int channel_look(struct channel *c)
{
	uint64_t now;

	if (c->broken)
		return c->broken;
	now = coarse_ns();
	if (now < c->look_ns)
		return 0;
	c->look_ns = now + CHANNEL_LOOK_MS * NS_PER_MS;
	return channel_check(c);
}

/* Either it sees what we put, or we see that it sleeps. */
void channel_wake(struct channel *c)
{
	if (!channel_rings(c))
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&c->view.stats->netd_sleeps, __ATOMIC_RELAXED))
		return;
	c->counts.wakeups++;
	if (send(c->sock, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN &&
	    errno != EINTR)
		channel_break(c, -ENOTCONN);
}

/* What woke us before is taken first, so that only what comes from now on does. */
int channel_arm(struct channel *c)
{
	int r = channel_check(c);

	if (r < 0)
		return r;
	c->armed = true;
	__atomic_store_n(&c->view.stats->app_waits, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return 0;
}

void channel_disarm(struct channel *c)
{
	if (!c->armed)
		return;
	c->armed = false;
	__atomic_store_n(&c->view.stats->app_waits, 0, __ATOMIC_RELAXED);
}
