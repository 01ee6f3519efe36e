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

/* The number the next descriptor would get: the same twice when none is left open between. */
static int next_fd(void)
{
	int fd = some_fd();

	close(fd);
	return fd;
}

/* A sound message of each type. */
static union pp_msg sound(uint32_t type)
{
	union pp_msg m = { .head = { .type = type, .serial = 7 } };

	switch (type) {
	case PP_HELLO:
		m.hello.version = PP_VERSION;
		m.hello.conf_size = sizeof(struct conf);
		m.hello.ledger_bytes = 4096;
		m.hello.max_clients = 1000;
		m.hello.log_format = LOG_FORMAT_MAX;
		m.hello.log_level = LOG_LEVEL_MAX;
		strcpy(m.hello.version_text, "0.1.0");
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
		break;
	}
	return m;
}

static unsigned fds_of(uint32_t type)
{
	switch (type) {
	case PP_HELLO:
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
		if (nfds)
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
	assert_spoils(PP_HELLO, m.hello.ledger_bytes = 0);
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
	assert_spoils(PP_RESULT, m.result.value = ENFORCE_MAX);
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

static void test_each_type_through_a_socket(void **state)
{
	const struct pair *pair = *state;
	int fds[2] = { some_fd(), some_fd() };

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
	close(fds[0]);
	close(fds[1]);
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
	int fds[FD_PASS_MAX] = { some_fd(), some_fd(), some_fd(), some_fd() };
	int got[FD_PASS_MAX], free_fd = next_fd();
	unsigned nfds = 99;

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
