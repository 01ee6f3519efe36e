/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two clients against a whole core, with nothing but reeved replaced: what they
 * write comes from the input, in fragments. Byte 0 picks the doors, and whether the second
 * is the message stack; then each
 * chunk is one byte, whose top bit says who writes and whose rest says how
 * much, and so many bytes.
 *
 * Whatever they write, the ledger stays sound and reeved is asked for what it
 * says; answers on the MTL door are
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

#include "fake/reeved.h"
#include "record.h"
#include "session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNK_STEP = 8 };

static struct fake_reeved fake;

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
	if (fake.core.conns[c->id.slot] != c)
		return;
	if (c->door == PP_DOOR_MTL)
		mtl_events(c, EPOLLIN | EPOLLOUT);
	else
		native_events(c, EPOLLIN | EPOLLOUT);
}

static void hang_up(struct conn *c, int fd, uint32_t slot)
{
	close(fd);
	if (fake.core.conns[slot] == c)
		conn_close(c, "hang-up");
}

/* An interface with software flows; uid 0 may use it, the other client may not. */
static void start(void)
{
	static struct conf conf;

	conf_defaults(&conf);
	conf.nnic_confs = 1;
	conf.nic_confs[0] = (struct nic_conf){
		.name.text = "*", .form = NIC_WANT_SINGLE, .system_queues = 1, .soft_flows = 1
	};
	fake_start(&fake, &conf);
	fake_add_nic(&fake, FAKE_IF, "eth0");
}

static uint32_t uid_of(uint32_t client, uint8_t how)
{
	return !client ? 0 : how & 4 ? REEVE_NET_UID : 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ledger_totals totals;
	enum pp_door doors[2];
	struct conn *conns[2];
	int fds[2];

	if (!fake.core.loop)
		start();
	if (!size)
		return 0;
	for (uint32_t i = 0; i < 2; i++) {
		doors[i] = data[0] >> i & 1 ? PP_DOOR_NATIVE : PP_DOOR_MTL;
		fds[i] = fake_connect(&fake, i, doors[i], uid_of(i, data[0]), &conns[i]);
	}
	for (data++, size--; size;) {
		uint32_t who = data[0] >> 7;
		size_t len = (data[0] & 0x7fU) * CHUNK_STEP + 1;

		data++;
		size--;
		len = len < size ? len : size;
		if (fake.core.conns[who] == conns[who] &&
		    send(fds[who], data, len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
			turn(conns[who]);
		fake_answer(&fake);
		assert(fake_agrees(&fake));
		take_answers(fds[who], doors[who]);
		data += len;
		size -= len;
	}
	for (uint32_t i = 0; i < 2; i++)
		hang_up(conns[i], fds[i], i);
	record_publish(&fake.core);
	nics_close_unused(&fake.core, UINT64_MAX);
	fake_answer(&fake);
	assert(!fake.open && !fake.nheld);
	assert(ledger_verify(fake.core.ledger) == 0);
	ledger_totals(fake.core.ledger, &totals);
	assert(!totals.instances && !totals.leases && !fake.core.nconns && !fake.core.streams);
	return 0;
}
