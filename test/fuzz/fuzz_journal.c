/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A core takes over a journal that was damaged. A sound one is made once, with
 * clients in the middle of things; the input says what of it is changed: four bytes
 * each, which of the pages in use, the place there and the new value. Whatever it says,
 * the core takes over: the ledger is sound afterwards, reeved holds what it says, and
 * nobody has become somebody else.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/reeved.h"
#include "session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 3, PAGE = 4096, PAGES_MAX = 256 };

static struct fake_reeved *image;
static size_t pages[PAGES_MAX]; /* where each begins */
static size_t npages;

static void say(int fd, const void *data, size_t len)
{
	assert(send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len);
}

static void say_mtl(int fd, uint8_t type, uint8_t at14, uint8_t at13)
{
	uint8_t frame[MTL_FRAME] = "IMTL";

	frame[7] = type;
	frame[13] = at13;
	frame[15] = at14;
	if (type == MTL_REGISTER) {
		frame[15] = 0;
		frame[85] = 1;
		frame[89] = at14;
	}
	say(fd, frame, sizeof(frame));
}

static void turn(struct conn *c)
{
	if (c->door == PP_DOOR_MTL)
		mtl_events(c, EPOLLIN);
	else
		native_events(c, EPOLLIN);
	fake_answer(image);
}

/* A media program with an interface, a program of leases, and one that listens. */
static void fill(void)
{
	static const char acquire[] = "{\"method\":\"io.reeve.Acquire\",\"parameters\":"
				      "{\"kind\":\"lcore\",\"count\":2}}";
	static const char events[] = "{\"method\":\"io.reeve.Events\",\"parameters\":"
				     "{\"since\":0},\"more\":true}";
	struct conn *c[CLIENTS];
	int fd[CLIENTS];

	for (uint32_t i = 0; i < CLIENTS; i++)
		fd[i] = fake_connect(image, i, i ? PP_DOOR_NATIVE : PP_DOOR_MTL, 1000 * i, &c[i]);
	say_mtl(fd[0], MTL_REGISTER, FAKE_IF, 0);
	turn(c[0]);
	say_mtl(fd[0], MTL_GET_LCORE, 0, 100);
	say_mtl(fd[0], MTL_GET_QUEUE, FAKE_IF, 0);
	turn(c[0]);
	turn(c[0]);
	say(fd[0], "IMTL", 4);
	turn(c[0]);
	say(fd[1], acquire, sizeof(acquire));
	say(fd[1], acquire, 20);
	turn(c[1]);
	turn(c[1]);
	say(fd[2], events, sizeof(events));
	turn(c[2]);
}

static void find_pages(void)
{
	static const uint8_t zero[PAGE];
	const uint8_t *journal = image->journal;

	for (size_t at = 0; at < PP_JOURNAL_BYTES && npages < PAGES_MAX; at += PAGE)
		if (memcmp(journal + at, zero, PAGE) != 0)
			pages[npages++] = at;
}

static void start(void)
{
	image = calloc(1, sizeof(*image));
	assert(image);
	fake_start(image, NULL);
	fake_add_nic(image, FAKE_IF, "eth0");
	fill();
	journal_settle(&image->core);
	find_pages();
}

/* Only the pages that are written to are copied. */
static void *damaged(const uint8_t *data, size_t size)
{
	uint8_t *copy = mmap(NULL, PP_JOURNAL_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_NORESERVE, image->journal_fd, 0);

	assert(copy != MAP_FAILED);
	for (; size >= 4; data += 4, size -= 4)
		copy[pages[data[0] % npages] + (data[1] | (size_t)data[2] << 8) % PAGE] = data[3];
	return copy;
}

static void resume(struct fake_reeved *f, uint32_t slot)
{
	const struct pp_conn id = { .slot = slot, .use = 1 };
	const struct conn *c;
	int pair[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	conn_resume(&f->core, &id, pair[0]);
	close(pair[1]);
	c = f->core.conns[slot];
	assert(!c || c->peer->uid == 1000 * slot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_reeved *next;
	void *journal;

	if (!image)
		start();
	next = calloc(1, sizeof(*next));
	journal = damaged(data, size);
	assert(next);
	if (fake_take_over_copy(next, image, journal)) {
		for (uint32_t slot = 0; slot < CLIENTS; slot++)
			resume(next, slot);
		fake_add_nic(next, FAKE_IF, "eth0");
		fake_resync(next);
		assert(ledger_verify(next->core.ledger) == 0);
		assert(fake_agrees(next));
		fake_end(next);
	}
	free(next);
	munmap(journal, PP_JOURNAL_BYTES);
	return 0;
}
