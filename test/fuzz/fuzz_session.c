/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two clients against a whole core, with nothing but reeved replaced: what they
 * write comes from the input, in fragments. Byte 0 picks the doors; then each
 * chunk is one byte, whose top bit says who writes and whose rest says how
 * much, and so many bytes.
 *
 * Whatever they write, the ledger stays sound, answers on the MTL door are
 * whole frames or the byte that carries a descriptor, and nothing is held or
 * open when both have gone.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNK_STEP = 8 };

static struct core core;
static int reeved;

/* Two nodes of two cores of two threads. */
static void make_host(struct host *h)
{
	for (unsigned cpu = 0; cpu < 8; cpu++) {
		cpuset_add(&h->present, cpu);
		h->node[cpu] = (int16_t)(cpu / 4);
		h->core[cpu] = (uint16_t)(cpu & ~1U);
	}
	h->online = h->usable = h->present;
}

static void start_core(void)
{
	struct conf *c = malloc(sizeof(*c));
	void *mem = aligned_alloc(4096, ledger_bytes());
	int pair[2];

	assert(c && mem && fd_socketpair(pair) == 0);
	log_setup(-1, LOG_TEXT, LOG_ERR);
	memset(mem, 0, ledger_bytes());
	assert(ledger_init(mem, ledger_bytes(), &core.ledger) == 0);
	assert(loop_new(&core.loop) == 0);
	core.expiry_watch.fd = loop_timer();
	core.sock = pair[0];
	core.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	core.fd_budget = 1000;
	reeved = pair[1];
	pp_queue_init(&core.queue);
	assert(loop_add(core.loop, &core.sock_watch, core.sock, EPOLLIN, NULL) == 0);
	conf_defaults(c);
	assert(policy_apply(&core, c, 1, &(struct err){ 0 }) == 0);
	memset(&core.host, 0, sizeof(core.host));
	make_host(&core.host);
	policy_work_out_rights(&core);
	free(c);
}

static void drain_link(void)
{
	char buf[sizeof(union pp_msg)];

	pp_queue_flush(&core.queue, core.sock);
	while (recv(reeved, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static int connect_client(uint32_t slot, enum pp_door door, struct conn **ret)
{
	struct pp_accept m = {
		.head.type = PP_ACCEPT,
		.conn = { .slot = slot, .use = 1 },
		.door = door,
		.peer = { .pid = 1 + slot, .uid = 1000 * slot },
	};
	int pair[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	conn_accept(&core, &m, pair[0], -1);
	*ret = core.conns[slot];
	assert(*ret);
	return pair[1];
}

/* A descriptor's byte ends a recv(), so frames and such bytes never share one. */
static void take_answers(int fd, enum pp_door door)
{
	static uint8_t buf[1 << 16];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		if (door == PP_DOOR_MTL)
			assert(n % MTL_FRAME == 0 ||
			       (n % MTL_FRAME == 1 && buf[n - 1] == MTL_FD_BYTE));
}

static void turn(struct conn *c)
{
	if (core.conns[c->id.slot] != c)
		return;
	if (c->door == PP_DOOR_MTL)
		mtl_events(c, EPOLLIN | EPOLLOUT);
	else
		native_events(c, EPOLLIN | EPOLLOUT);
}

static void hang_up(struct conn *c, int fd, uint32_t slot)
{
	close(fd);
	if (core.conns[slot] == c)
		conn_close(c, "hang-up");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ledger_totals totals;
	enum pp_door doors[2];
	struct conn *conns[2];
	int fds[2];

	if (!core.loop)
		start_core();
	if (!size)
		return 0;
	for (uint32_t i = 0; i < 2; i++) {
		doors[i] = data[0] >> i & 1 ? PP_DOOR_NATIVE : PP_DOOR_MTL;
		fds[i] = connect_client(i, doors[i], &conns[i]);
	}
	for (data++, size--; size;) {
		uint32_t who = data[0] >> 7;
		size_t len = (data[0] & 0x7fU) * CHUNK_STEP + 1;

		data++;
		size--;
		len = len < size ? len : size;
		if (core.conns[who] == conns[who] &&
		    send(fds[who], data, len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
			turn(conns[who]);
		take_answers(fds[who], doors[who]);
		data += len;
		size -= len;
	}
	for (uint32_t i = 0; i < 2; i++)
		hang_up(conns[i], fds[i], i);
	record_publish(&core);
	drain_link();
	assert(ledger_verify(core.ledger) == 0);
	ledger_totals(core.ledger, &totals);
	assert(!totals.instances && !totals.leases && !core.nconns && !core.streams);
	return 0;
}
