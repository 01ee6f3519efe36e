/* SPDX-License-Identifier: BSD-3-Clause */
#include "privproto/privproto.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"

struct pair {
	int reeved, core;
};

static int setup(void **state)
{
	static struct pair pair;
	int fds[2];

	if (fd_socketpair(fds) < 0)
		return -1;
	pair = (struct pair){ fds[0], fds[1] };
	*state = &pair;
	return 0;
}

static int teardown(void **state)
{
	const struct pair *pair = *state;

	close(pair->reeved);
	close(pair->core);
	return 0;
}

static int some_fd(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void some_fds(int fds[static FD_PASS_MAX])
{
	for (unsigned i = 0; i < FD_PASS_MAX; i++)
		fds[i] = some_fd();
}

/* The number the next descriptor would get: the same twice when none is left open between. */
static int next_fd(void)
{
	int fd = some_fd();

	close(fd);
	return fd;
}

/* The largest of everything. */
static void sound_nic_request(union pp_msg *m)
{
	/* All but PP_NIC_OPEN and PP_NIC_CLOSE have the owner in the same place. */
	m->nic_map.ifindex = INT32_MAX;
	m->nic_map.owner = PP_OWNERS_MAX;
	switch (m->head.type) {
	case PP_NIC_OWNER:
		m->nic_owner.tenant = TENANT_MAX - 1;
		m->nic_owner.on = 1;
		break;
	case PP_NIC_QUEUE:
		m->nic_queue.queue = NIC_QUEUES_MAX - 1;
		m->nic_queue.on = 1;
		break;
	case PP_NIC_PORT:
		m->nic_port.port = NIC_PORTS - 1;
		m->nic_port.on = 1;
		break;
	case PP_NIC_ADDRESS:
		m->nic_address.on = 1;
		memset(m->nic_address.address.b, 0xfd, 16);
		break;
	case PP_NIC_FLOW:
		m->nic_flow.on = 1;
		m->nic_flow.soft = 1;
		m->nic_flow.location = UINT32_MAX;
		m->nic_flow.flow.dst_port = 5000;
		break;
	case PP_NIC_XSK:
		m->nic_xsk.queue = NIC_QUEUES_MAX - 1;
		m->nic_xsk.frames = PP_XSK_FRAMES_MAX;
		m->nic_xsk.frame_size = 4096;
		m->nic_xsk.rx = m->nic_xsk.tx = PP_XSK_RING_MAX;
		m->nic_xsk.fill = m->nic_xsk.comp = PP_XSK_RING_MAX;
		break;
	case PP_NIC_PORTS:
		m->nic_ports.n = PP_COUNTS_MAX;
		memset(m->nic_ports.ports, 0xff, sizeof(m->nic_ports.ports));
		break;
	case PP_NIC_COUNT:
		m->nic_count.n = PP_COUNTS_MAX;
		memset(m->nic_count.ports, 0xff, sizeof(m->nic_count.ports));
		break;
	}
}

static void sound_nic(union pp_msg *m)
{
	switch (m->head.type) {
	case PP_NIC_OPEN:
		m->nic_open.ifindex = INT32_MAX;
		m->nic_open.form = NIC_WANT_EITHER;
		strcpy(m->nic_open.name, "enp1s0f0np0.100");
		break;
	case PP_NIC_CLOSE:
		m->nic_close.ifindex = 1;
		break;
	case PP_NIC_FDS:
		m->nic_fds.value = 1;
		break;
	case PP_NIC_COUNTS:
		m->nic_counts.n = PP_COUNTS_MAX;
		break;
	default:
		if (m->head.type > PP_NIC_CLOSE)
			sound_nic_request(m);
	}
}

/* A sound message of each type. */
static union pp_msg sound(uint32_t type)
{
	union pp_msg m = { .head = { .type = type, .serial = 7 } };

	switch (type) {
	case PP_HELLO:
		m.hello.version = PP_VERSION;
		m.hello.conf_size = sizeof(struct conf);
		m.hello.journal_bytes = 4096;
		m.hello.max_clients = 1000;
		m.hello.log_format = LOG_FORMAT_MAX;
		m.hello.log_level = LOG_LEVEL_MAX;
		m.hello.last_end = PP_END_FAULT;
		m.hello.nresumed = 1000;
		strcpy(m.hello.version_text, "0.1.0");
		break;
	case PP_RESUME:
		m.resume.n = FD_PASS_MAX;
		m.resume.conns[FD_PASS_MAX - 1].slot = PP_CLIENTS_MAX - 1;
		break;
	case PP_UNKNOWN:
		m.unknown.conn.slot = PP_CLIENTS_MAX - 1;
		break;
	case PP_ADMIN:
		m.admin.op = PP_ADMIN_STOP_KEEP;
		break;
	case PP_ACCEPT:
		m.accept.conn = (struct pp_conn){ PP_CLIENTS_MAX - 1, 1 };
		m.accept.door = PP_DOOR_MTL;
		m.accept.peer.ngroups = PEER_GROUPS_MAX;
		strcpy(m.accept.peer.cgroup, "/user.slice");
		break;
	case PP_RESULT:
		m.result.error = EPERM;
		m.result.value = ENFORCE_ISOLATED;
		break;
	case PP_CPUSET:
		m.cpuset.tenant = TENANT_MAX - 1;
		m.cpuset.want = ENFORCE_ISOLATED;
		break;
	case PP_PLANE:
		m.plane.on = 1;
		break;
	default:
		sound_nic(&m);
		break;
	}
	return m;
}

static unsigned fds_of(uint32_t type)
{
	switch (type) {
	case PP_HELLO:
		return 4;
	case PP_RESUME:
		return FD_PASS_MAX;
	case PP_NIC_FDS:
		return 2;
	case PP_CONF:
	case PP_ACCEPT:
		return 1;
	default:
		return 0;
	}
}

static enum pp_side side_of(uint32_t type)
{
	if (type == PP_NIC_FDS || type == PP_NIC_COUNTS)
		return PP_REEVED;
	return type >= PP_READY ? PP_CORE : PP_REEVED;
}

static int check(const union pp_msg *m)
{
	uint32_t type = m->head.type;

	return pp_check(m, pp_size(type), fds_of(type), side_of(type));
}

static void test_sizes(void **state)
{
	(void)state;
	for (uint32_t type = PP_HELLO; type < PP_TYPE_MAX; type++) {
		assert_true(pp_size(type) >= sizeof(struct pp_head));
		assert_true(pp_size(type) <= sizeof(union pp_msg));
	}
	assert_int_equal(pp_size(PP_CPUSET), sizeof(struct pp_cpuset));
	assert_int_equal(pp_size(0), 0);
	assert_int_equal(pp_size(PP_TYPE_MAX), 0);
	assert_int_equal(pp_size(UINT32_MAX), 0);
}

static void test_a_sound_message_of_each_type(void **state)
{
	(void)state;
	for (uint32_t type = PP_HELLO; type < PP_TYPE_MAX; type++) {
		union pp_msg m = sound(type);

		assert_int_equal(check(&m), 0);
	}
}

static void test_size_side_and_descriptors_must_fit(void **state)
{
	(void)state;
	for (uint32_t type = PP_HELLO; type < PP_TYPE_MAX; type++) {
		union pp_msg m = sound(type);
		enum pp_side side = side_of(type), other = side == PP_CORE ? PP_REEVED : PP_CORE;
		size_t size = pp_size(type);
		unsigned nfds = fds_of(type);

		assert_int_equal(pp_check(&m, size, nfds, other), -EBADMSG);
		assert_int_equal(pp_check(&m, size - 1, nfds, side), -EBADMSG);
		assert_int_equal(pp_check(&m, size + 1, nfds, side), -EBADMSG);
		assert_int_equal(pp_check(&m, size, nfds + 1, side), -EBADMSG);
		if (nfds && type != PP_NIC_FDS)
			assert_int_equal(pp_check(&m, size, nfds - 1, side), -EBADMSG);
	}
}

static void test_types_that_are_none(void **state)
{
	union pp_msg m = { 0 };

	(void)state;
	assert_int_equal(pp_check(&m, 0, 0, PP_CORE), -EBADMSG);
	assert_int_equal(pp_check(&m, 4, 0, PP_CORE), -EBADMSG);
	assert_int_equal(pp_check(&m, sizeof(m.head), 0, PP_CORE), -EBADMSG);
	m.head.type = PP_TYPE_MAX;
	assert_int_equal(pp_check(&m, sizeof(m), 0, PP_CORE), -EBADMSG);
	m.head.type = UINT32_MAX;
	assert_int_equal(pp_check(&m, sizeof(m), 0, PP_REEVED), -EBADMSG);
}

/* One field of a sound message spoiled; `m` is fresh for each. */
#define assert_spoils(type_, statement)                \
	do {                                           \
		union pp_msg m = sound(type_);         \
		statement;                             \
		assert_int_equal(check(&m), -EBADMSG); \
	} while (0)

static void test_hello_fields(void **state)
{
	(void)state;
	assert_spoils(PP_HELLO, m.hello.version++);
	assert_spoils(PP_HELLO, m.hello.conf_size--);
	assert_spoils(PP_HELLO, m.hello.journal_bytes = 0);
	assert_spoils(PP_HELLO, m.hello.max_clients = 0);
	assert_spoils(PP_HELLO, m.hello.max_clients = PP_CLIENTS_MAX + 1);
	assert_spoils(PP_HELLO, m.hello.log_format = LOG_FORMAT_MAX + 1);
	assert_spoils(PP_HELLO, m.hello.log_level = LOG_LEVEL_MAX + 1);
	assert_spoils(PP_HELLO, memset(m.hello.version_text, 'x', sizeof(m.hello.version_text)));
}

static void test_accept_fields(void **state)
{
	(void)state;
	assert_spoils(PP_ACCEPT, m.accept.conn.slot = PP_CLIENTS_MAX);
	assert_spoils(PP_ACCEPT, m.accept.door = PP_DOOR_MAX);
	assert_spoils(PP_ACCEPT, m.accept.has_pidfd = 2);
	assert_spoils(PP_ACCEPT, m.accept.peer.ngroups = PEER_GROUPS_MAX + 1);
	assert_spoils(PP_ACCEPT, memset(m.accept.peer.cgroup, '/', PEER_CGROUP_MAX));
}

static void test_accept_with_and_without_pidfd(void **state)
{
	union pp_msg m = sound(PP_ACCEPT);

	(void)state;
	m.accept.has_pidfd = 1;
	assert_int_equal(pp_check(&m, sizeof(m.accept), 2, PP_REEVED), 0);
	assert_int_equal(pp_check(&m, sizeof(m.accept), 1, PP_REEVED), -EBADMSG);
	assert_int_equal(pp_check(&m, sizeof(m.accept), 3, PP_REEVED), -EBADMSG);
}

static void test_result_fields(void **state)
{
	(void)state;
	assert_spoils(PP_RESULT, m.result.error = -1);
	assert_spoils(PP_RESULT, m.result.error = 4096);
	assert_spoils(PP_RESULT, memset(m.result.why, 'x', sizeof(m.result.why)));
}

static void test_fields_of_requests(void **state)
{
	(void)state;
	assert_spoils(PP_CLOSE, m.close.conn.slot = PP_CLIENTS_MAX);
	assert_spoils(PP_CPUSET, m.cpuset.tenant = TENANT_MAX);
	assert_spoils(PP_CPUSET, m.cpuset.want = ENFORCE_MAX);
	assert_spoils(PP_PLANE, m.plane.plane = PLANE_MAX);
	assert_spoils(PP_PLANE, m.plane.on = 2);
}

static int check_fds(const union pp_msg *m, unsigned nfds)
{
	return pp_check(m, sizeof(m->nic_fds), nfds, PP_REEVED);
}

static void test_descriptors_of_an_interface(void **state)
{
	union pp_msg fds = sound(PP_NIC_FDS);

	(void)state;
	assert_int_equal(check_fds(&fds, 0), -EBADMSG);
	assert_int_equal(check_fds(&fds, 1), 0);
	assert_int_equal(check_fds(&fds, 2), 0);
	assert_int_equal(check_fds(&fds, 3), -EBADMSG);
	fds.nic_fds.error = EPERM;
	assert_int_equal(check_fds(&fds, 0), 0);
	assert_int_equal(check_fds(&fds, 1), -EBADMSG);
	assert_int_equal(check_fds(&fds, 2), -EBADMSG);
	assert_spoils(PP_NIC_FDS, m.nic_fds.error = -1);
	assert_spoils(PP_NIC_FDS, m.nic_fds.value = 2);
	assert_spoils(PP_NIC_FDS, memset(m.nic_fds.why, 'x', sizeof(m.nic_fds.why)));
}

static void test_where_an_owner_is(void **state)
{
	(void)state;
	for (uint32_t type = PP_NIC_OWNER; type <= PP_NIC_COUNT; type++) {
		if (type == PP_NIC_FDS)
			continue;
		assert_spoils(type, m.nic_map.ifindex = 0);
		assert_spoils(type, m.nic_map.ifindex = INT32_MAX + 1U);
		assert_spoils(type, m.nic_map.ifindex = UINT32_MAX);
		assert_spoils(type, m.nic_map.owner = 0);
		assert_spoils(type, m.nic_map.owner = PP_OWNERS_MAX + 1);
	}
	assert_spoils(PP_NIC_CLOSE, m.nic_close.ifindex = 0);
	assert_spoils(PP_NIC_CLOSE, m.nic_close.ifindex = UINT32_MAX);
}

static void test_open_fields(void **state)
{
	(void)state;
	assert_spoils(PP_NIC_OPEN, m.nic_open.ifindex = 0);
	assert_spoils(PP_NIC_OPEN, m.nic_open.ifindex = UINT32_MAX);
	assert_spoils(PP_NIC_OPEN, m.nic_open.form = NIC_WANT_AUTO);
	assert_spoils(PP_NIC_OPEN, m.nic_open.form = NIC_WANT_MAX);
	assert_spoils(PP_NIC_OPEN, memset(m.nic_open.name, 'x', NIC_NAME_MAX));
	assert_spoils(PP_NIC_OPEN, m.nic_open.name[0] = '\0');
	assert_spoils(PP_NIC_OPEN, m.nic_open.name[3] = '/');
}

static void test_owner_queue_and_port_fields(void **state)
{
	union pp_msg off = sound(PP_NIC_OWNER);

	(void)state;
	assert_spoils(PP_NIC_OWNER, m.nic_owner.on = 2);
	assert_spoils(PP_NIC_OWNER, m.nic_owner.tenant = TENANT_MAX + 1);
	off.nic_owner.on = 0;
	off.nic_owner.tenant = UINT32_MAX;
	assert_int_equal(check(&off), 0);
	assert_spoils(PP_NIC_QUEUE, m.nic_queue.on = 2);
	assert_spoils(PP_NIC_QUEUE, m.nic_queue.queue = NIC_QUEUES_MAX);
	assert_spoils(PP_NIC_PORT, m.nic_port.on = 2);
	assert_spoils(PP_NIC_PORT, m.nic_port.port = 0);
	assert_spoils(PP_NIC_PORT, m.nic_port.port = NIC_PORTS);
}

/* Also one that ends is an address. */
static void test_address_fields(void **state)
{
	(void)state;
	assert_spoils(PP_NIC_ADDRESS, m.nic_address.on = 2);
	assert_spoils(PP_NIC_ADDRESS, m.nic_address.owner = 0);
	assert_spoils(PP_NIC_ADDRESS, m.nic_address.ifindex = 0);
	assert_spoils(PP_NIC_ADDRESS, m.nic_address.address.b[0] = 0xff);
	assert_spoils(PP_NIC_ADDRESS, memset(m.nic_address.address.b, 0, 16));
	assert_spoils(PP_NIC_ADDRESS, m.nic_address.on = 0;
		      m.nic_address.address = (struct ipaddr){ .b[15] = 1 });
}

static void test_flow_fields(void **state)
{
	union pp_msg off = sound(PP_NIC_FLOW);

	(void)state;
	assert_spoils(PP_NIC_FLOW, m.nic_flow.on = 2);
	assert_spoils(PP_NIC_FLOW, m.nic_flow.soft = 2);
	assert_spoils(PP_NIC_FLOW, m.nic_flow.flow.ipv6 = 2);
	assert_spoils(PP_NIC_FLOW, m.nic_flow.flow.queue = NIC_QUEUES_MAX);
	assert_spoils(PP_NIC_FLOW, m.nic_flow.flow.dst_port = 0);
	off.nic_flow.on = 0;
	off.nic_flow.flow = (struct flow){ 0 };
	assert_int_equal(check(&off), 0);
}

static void test_socket_fields(void **state)
{
	union pp_msg receives = sound(PP_NIC_XSK);

	(void)state;
	receives.nic_xsk.tx = receives.nic_xsk.comp = 0;
	assert_int_equal(check(&receives), 0);
	assert_spoils(PP_NIC_XSK, m.head.serial = 0);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.queue = NIC_QUEUES_MAX);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.frames = 0);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.frames = PP_XSK_FRAMES_MAX - 1);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.frames = 2 * PP_XSK_FRAMES_MAX);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.frame_size = 1024);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.frame_size = 8192);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.rx = 0);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.rx = 2 * PP_XSK_RING_MAX);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.fill = 3);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.fill = 0);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.tx = 0);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.comp = 0);
	assert_spoils(PP_NIC_XSK, m.nic_xsk.comp = 2 * PP_XSK_RING_MAX);
}

static void test_fields_of_counts(void **state)
{
	(void)state;
	assert_spoils(PP_NIC_MAP, m.head.serial = 0);
	assert_spoils(PP_NIC_COUNT, m.head.serial = 0);
	assert_spoils(PP_NIC_COUNT, m.nic_count.n = 0);
	assert_spoils(PP_NIC_COUNT, m.nic_count.n = PP_COUNTS_MAX + 1);
	assert_spoils(PP_NIC_COUNT, m.nic_count.ports[PP_COUNTS_MAX - 1] = 0);
	assert_spoils(PP_NIC_PORTS, m.head.serial = 0);
	assert_spoils(PP_NIC_PORTS, m.nic_ports.n = 0);
	assert_spoils(PP_NIC_PORTS, m.nic_ports.n = PP_COUNTS_MAX + 1);
	assert_spoils(PP_NIC_PORTS, m.nic_ports.ports[PP_COUNTS_MAX - 1] = 0);
	assert_spoils(PP_NIC_PORTS, m.nic_ports.owner = 0);
	assert_spoils(PP_NIC_COUNTS, m.nic_counts.n = PP_COUNTS_MAX + 1);
}

static void test_fields_about_an_earlier_core(void **state)
{
	(void)state;
	assert_spoils(PP_HELLO, m.hello.last_end = PP_END_MAX);
	assert_spoils(PP_HELLO, m.hello.fresh = 2);
	assert_spoils(PP_HELLO, m.hello.upgraded = 2);
	assert_spoils(PP_HELLO, m.hello.nresumed = m.hello.max_clients + 1);
	assert_spoils(PP_RESUME, m.resume.n = 0);
	assert_spoils(PP_RESUME, m.resume.n = FD_PASS_MAX - 1);
	assert_spoils(PP_RESUME, m.resume.n = FD_PASS_MAX + 1);
	assert_spoils(PP_RESUME, m.resume.conns[FD_PASS_MAX - 1].slot = PP_CLIENTS_MAX);
	assert_spoils(PP_UNKNOWN, m.unknown.conn.slot = PP_CLIENTS_MAX);
	assert_spoils(PP_SYNCED, m.head.serial = 0);
	assert_spoils(PP_ADMIN, m.head.serial = 0);
	assert_spoils(PP_ADMIN, m.admin.op = PP_ADMIN_MAX);
}

static void test_each_type_through_a_socket(void **state)
{
	const struct pair *pair = *state;
	int fds[FD_PASS_MAX];

	some_fds(fds);
	for (uint32_t type = PP_HELLO; type < PP_TYPE_MAX; type++) {
		union pp_msg out = sound(type), in;
		enum pp_side side = side_of(type);
		int from = side == PP_CORE ? pair->core : pair->reeved;
		int to = side == PP_CORE ? pair->reeved : pair->core;
		int got[FD_PASS_MAX];
		unsigned nfds = 99;

		assert_int_equal(pp_send(from, &out, fds, fds_of(type)), 0);
		assert_int_equal(pp_recv(to, side, &in, got, &nfds), 0);
		assert_int_equal(nfds, fds_of(type));
		assert_memory_equal(&in, &out, pp_size(type));
		for (unsigned i = 0; i < nfds; i++) {
			assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
			close(got[i]);
		}
	}
	for (int i = 0; i < FD_PASS_MAX; i++)
		close(fds[i]);
}

static void test_nothing_there(void **state)
{
	const struct pair *pair = *state;
	union pp_msg in;
	int got[FD_PASS_MAX];
	unsigned nfds;

	assert_int_equal(pp_recv(pair->core, PP_REEVED, &in, got, &nfds), -EAGAIN);
}

static void test_the_other_side_is_gone(void **state)
{
	struct pair *pair = *state;
	union pp_msg m = sound(PP_STOP);
	int got[FD_PASS_MAX];
	unsigned nfds;

	/* Once with a message unread, which the kernel tells in another way. */
	assert_int_equal(pp_send(pair->core, &m, NULL, 0), 0);
	close(pair->reeved);
	assert_int_equal(pp_send(pair->core, &m, NULL, 0), -EPIPE);
	assert_int_equal(pp_recv(pair->core, PP_REEVED, &m, got, &nfds), -EPIPE);
	assert_int_equal(pp_recv(pair->core, PP_REEVED, &m, got, &nfds), -EPIPE);
	pair->reeved = some_fd();
}

static void test_a_slow_reader(void **state)
{
	const struct pair *pair = *state;
	union pp_msg m = sound(PP_STOP);
	int r;

	do {
		r = pp_send(pair->reeved, &m, NULL, 0);
	} while (!r);
	assert_int_equal(r, -EAGAIN);
}

static void test_send_refuses_what_is_no_message(void **state)
{
	const struct pair *pair = *state;
	union pp_msg m = { 0 };
	int got[FD_PASS_MAX];
	unsigned nfds;

	assert_int_equal(pp_send(pair->core, &m, NULL, 0), -EINVAL);
	assert_int_equal(pp_recv(pair->reeved, PP_CORE, &m, got, &nfds), -EAGAIN);
}

static void test_an_unsound_message_leaves_nothing_open(void **state)
{
	const struct pair *pair = *state;
	union pp_msg m = sound(PP_READY), before, in;
	int fds[FD_PASS_MAX], got[FD_PASS_MAX], free_fd;
	unsigned nfds = 99;

	some_fds(fds);
	free_fd = next_fd();
	memset(&in, 0x5a, sizeof(in));
	before = in;
	for (unsigned n = 1; n <= FD_PASS_MAX; n++) {
		assert_int_equal(pp_send(pair->core, &m, fds, n), 0);
		assert_int_equal(pp_recv(pair->reeved, PP_CORE, &in, got, &nfds), -EBADMSG);
		assert_int_equal(next_fd(), free_fd);
	}
	assert_memory_equal(&in, &before, sizeof(in));
	assert_int_equal(nfds, 99);
	for (int i = 0; i < FD_PASS_MAX; i++)
		close(fds[i]);
}

/* It looks like the end of the stream, but brings descriptors along. */
static void test_an_empty_message(void **state)
{
	const struct pair *pair = *state;
	int fd = some_fd(), got[FD_PASS_MAX], free_fd = next_fd();
	union pp_msg in;
	unsigned nfds;

	assert_int_equal(fd_send(pair->core, "", 0, &fd, 1), 0);
	assert_int_equal(pp_recv(pair->reeved, PP_CORE, &in, got, &nfds), -EPIPE);
	assert_int_equal(next_fd(), free_fd);
	close(fd);
}

/* Cut off at the size of the longest message it would pass for one. */
static void test_a_message_too_long(void **state)
{
	const struct pair *pair = *state;
	char out[sizeof(union pp_msg) + 64] = { 0 };
	union pp_msg m = sound(PP_CPUSET);
	int got[FD_PASS_MAX];
	unsigned nfds;

	memcpy(out, &m, sizeof(m));
	for (size_t len = sizeof(m.cpuset) + 1; len <= sizeof(out); len++) {
		assert_int_equal(fd_send(pair->core, out, len, NULL, 0), (int)len);
		assert_int_equal(pp_recv(pair->reeved, PP_CORE, &m, got, &nfds), -EBADMSG);
	}
}

#define with_pair(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_a_sound_message_of_each_type),
		cmocka_unit_test(test_size_side_and_descriptors_must_fit),
		cmocka_unit_test(test_types_that_are_none),
		cmocka_unit_test(test_hello_fields),
		cmocka_unit_test(test_accept_fields),
		cmocka_unit_test(test_accept_with_and_without_pidfd),
		cmocka_unit_test(test_result_fields),
		cmocka_unit_test(test_fields_of_requests),
		cmocka_unit_test(test_descriptors_of_an_interface),
		cmocka_unit_test(test_where_an_owner_is),
		cmocka_unit_test(test_open_fields),
		cmocka_unit_test(test_owner_queue_and_port_fields),
		cmocka_unit_test(test_address_fields),
		cmocka_unit_test(test_flow_fields),
		cmocka_unit_test(test_socket_fields),
		cmocka_unit_test(test_fields_of_counts),
		cmocka_unit_test(test_fields_about_an_earlier_core),
		with_pair(test_each_type_through_a_socket),
		with_pair(test_nothing_there),
		with_pair(test_the_other_side_is_gone),
		with_pair(test_a_slow_reader),
		with_pair(test_send_refuses_what_is_no_message),
		with_pair(test_an_unsound_message_leaves_nothing_open),
		with_pair(test_an_empty_message),
		with_pair(test_a_message_too_long),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
