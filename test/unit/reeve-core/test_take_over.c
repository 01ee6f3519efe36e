/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A core is left where it stands, as if it had been killed there, and another one
 * takes over its journal and its clients. What they asked is answered once, what
 * they hold they hold on, and what reeved holds is what the ledger says.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/reeved.h"
#include "mtl.h"
#include "orphan.h"
#include "record.h"
#include "session.h"

#include <cmocka.h>

enum { SLOT = 5, LCORE = 100 };

/* One after the other, in turn. */
static struct fake_reeved *fake;

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void mtl_frame(uint8_t frame[static MTL_FRAME], uint32_t type, uint16_t first,
		      uint16_t second)
{
	memset(frame, 0, MTL_FRAME);
	memcpy(frame, "IMTL", 4);
	put16(frame + 6, (uint16_t)type);
	if (type == MTL_REGISTER) {
		put16(frame + 84, first != 0);
		put16(frame + 88, first);
	} else if (type == MTL_GET_LCORE || type == MTL_PUT_LCORE) {
		put16(frame + 12, first);
	} else {
		put16(frame + 14, first);
		put16(frame + 16, second);
	}
	if (type == MTL_ADD_FLOW) {
		put16(frame + 24, 2); /* UDP_V4_FLOW */
		put16(frame + 36, 5000);
	}
}

static void say(int fd, uint32_t type, uint16_t first, uint16_t second)
{
	uint8_t frame[MTL_FRAME];

	mtl_frame(frame, type, first, second);
	assert_int_equal(send(fd, frame, sizeof(frame), MSG_NOSIGNAL), sizeof(frame));
}

static void turn(struct conn *c)
{
	if (c->door == PP_DOOR_MTL)
		mtl_events(c, EPOLLIN);
	else
		native_events(c, EPOLLIN);
	fake_answer(fake);
}

/* The value of the one answer that is there. */
static int heard(int fd)
{
	uint8_t frame[2 * MTL_FRAME];

	assert_int_equal(recv(fd, frame, sizeof(frame), MSG_DONTWAIT), MTL_FRAME);
	return (int)((uint32_t)frame[12] << 24 | (uint32_t)frame[13] << 16 |
		     (uint32_t)frame[14] << 8 | frame[15]);
}

static void assert_silent(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static int ask_mtl(struct conn *c, int fd, uint32_t type, uint16_t first, uint16_t second)
{
	say(fd, type, first, second);
	turn(c);
	return heard(fd);
}

static int setup(void **state)
{
	struct fake_reeved *before = fake;

	(void)state;
	fake = calloc(1, sizeof(*fake));
	if (!fake)
		return -1;
	fake->before = before;
	fake_start(fake, NULL);
	fake_add_nic(fake, FAKE_IF, "eth0");
	return 0;
}

/* The core of before is left as it is: nothing of it may be needed. */
static struct conn *take_over(enum pp_end end)
{
	struct fake_reeved *next = calloc(1, sizeof(*next)), *before = fake;
	struct conn *c;

	assert_non_null(next);
	fake_take_over(next, before, end);
	fake = next;
	c = fake_resume(next, before, SLOT);
	fake_add_nic(next, FAKE_IF, "eth0");
	fake_resync(next);
	assert_int_equal(ledger_verify(next->core.ledger), 0);
	assert_true(fake_agrees(next));
	return c;
}

static struct conn *killed(void)
{
	return take_over(PP_END_KILLED);
}

static uint32_t leases(void)
{
	struct ledger_totals t;

	ledger_totals(fake->core.ledger, &t);
	return t.leases;
}

static void test_what_is_held_is_held_on(void **state)
{
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, FAKE_IF, 0), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_GET_LCORE, LCORE, 0), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_GET_QUEUE, FAKE_IF, 0), 1);
	for (uint16_t port = 5000; port < 5100; port++)
		assert_int_equal(ask_mtl(c, fd, MTL_ADD_UDP_FILTER, FAKE_IF, port), 0);
	c = killed();
	assert_silent(fd);
	assert_int_equal(leases(), 103);
	assert_int_equal(fake->opened, 0);
	assert_int_equal(ask_mtl(c, fd, MTL_GET_LCORE, LCORE, 0), -1);
	assert_int_equal(ask_mtl(c, fd, MTL_PUT_LCORE, LCORE, 0), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_PUT_QUEUE, FAKE_IF, 1), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_DEL_UDP_FILTER, FAKE_IF, 5050), 0);
	close(fd);
	conn_hung_up(c);
	assert_int_equal(leases(), 0);
}

/* A rule in the NIC stays where it is. */
static void test_flows_are_held_on(void **state)
{
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c), flow;

	(void)state;
	fake->hardware = fake->core.nics->ntuple = true;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, FAKE_IF, 0), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_GET_QUEUE, FAKE_IF, 0), 1);
	flow = ask_mtl(c, fd, MTL_ADD_FLOW, FAKE_IF, 1);
	assert_true(flow > 0);
	c = killed();
	assert_int_equal(leases(), 3);
	assert_int_equal(fake->location, flow);
	conn_close(c, "done");
	fake_answer(fake);
	assert_true(fake_agrees(fake));
}

/* It came, and the core was killed before it did anything about it. */
static void test_a_request_that_was_read(void **state)
{
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	say(fd, MTL_REGISTER, 0, 0);
	say(fd, MTL_GET_LCORE, LCORE, 0);
	assert_int_equal(journal_recv(c, c->kept->mtl.in, MTL_FRAME + 10), MTL_FRAME + 10);
	c = killed();
	assert_int_equal(heard(fd), 0);
	turn(c);
	assert_int_equal(heard(fd), 0);
	assert_int_equal(leases(), 1);
}

/* reeved has been asked, and may have done it; nobody heard its answer. */
static void test_a_request_that_waits_for_reeved(void **state)
{
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, FAKE_IF, 0), 0);
	say(fd, MTL_GET_QUEUE, FAKE_IF, 0);
	mtl_events(c, EPOLLIN);
	assert_true(c->busy);
	journal_settle(&fake->core);
	c = killed();
	fake_answer(fake);
	assert_int_equal(heard(fd), 1);
	assert_silent(fd);
	assert_int_equal(leases(), 2);
	assert_true(fake_agrees(fake));
}

/* Decided and settled, and not sent: it must not be decided again. */
static void test_an_answer_that_was_not_sent(void **state)
{
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, FAKE_IF, 0), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_ADD_UDP_FILTER, FAKE_IF, 5000), 0);
	say(fd, MTL_DEL_UDP_FILTER, FAKE_IF, 5000);
	mtl_events(c, EPOLLIN); /* given back, and to be told when reeved has followed */
	assert_true(c->busy && conn_answer_waits(c));
	journal_settle(&fake->core);
	c = killed();
	assert_int_equal(heard(fd), 0);
	assert_silent(fd);
	assert_int_equal(ask_mtl(c, fd, MTL_DEL_UDP_FILTER, FAKE_IF, 5000), -1);
}

/* Decided, and not settled: it is as if it had not been, and is decided again. */
static void test_an_answer_that_was_not_settled(void **state)
{
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);
	struct lease l = { 0 };

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, 0, 0), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_GET_LCORE, LCORE, 0), 0);
	say(fd, MTL_PUT_LCORE, LCORE, 0);
	assert_int_equal(journal_recv(c, c->kept->mtl.in, MTL_FRAME), MTL_FRAME);
	assert_int_equal(ledger_next_lease(fake->core.ledger, 0, &l), 0);
	assert_int_equal(ledger_release(fake->core.ledger, c->instance, l.id, 1, "put"), 0);
	mtl_answer(c, MTL_REPLY_RESPONSE, 0);
	c = killed();
	assert_int_equal(heard(fd), 0);
	assert_silent(fd);
	assert_int_equal(leases(), 0);
	assert_int_equal(c->kept->in_len, 0);
}

/* Its descriptor died with the core: another one is made. */
static void test_an_answer_with_a_descriptor(void **state)
{
	struct conn *c;
	uint8_t byte = 0;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, FAKE_IF, 0), 0);
	say(fd, MTL_XSK_MAP_FD, FAKE_IF, 0);
	assert_int_equal(journal_recv(c, c->kept->mtl.in, MTL_FRAME), MTL_FRAME);
	mtl_answer_fd(c, -1);
	journal_settle(&fake->core);
	killed();
	fake_answer(fake);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
	assert_int_equal(byte, MTL_FD_BYTE);
	assert_silent(fd);
}

/* A REGISTER over two interfaces, of which the first was joined by the core before. */
static void test_what_a_refused_register_joined(void **state)
{
	uint8_t frame[MTL_FRAME];
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	mtl_frame(frame, MTL_REGISTER, FAKE_IF, 0);
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	turn(c);
	assert_int_equal(heard(fd), 0);
	assert_int_equal(leases(), 1);
	/* As if it had been joined for a request that is under way. */
	c->kept->mtl.fresh_ifs = 1;
	put16(frame + 84, 2);
	put16(frame + 92, 99); /* no such interface */
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	c = killed();
	turn(c);
	assert_int_equal(heard(fd), -1);
	assert_int_equal(c->kept->mtl.fresh_ifs, 0);
}

static void say_native(int fd, const char *text)
{
	size_t len = strlen(text) + 1;

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

#define CALL(name, parameters) "{\"method\":\"io.reeve." name "\",\"parameters\":{" parameters "}}"

/* Replies, each with its NUL; their number. */
static unsigned heard_native(int fd, char *buf, size_t size)
{
	unsigned n = 0;
	size_t used = 0;
	ssize_t got;

	while ((got = recv(fd, buf + used, size - used, MSG_DONTWAIT)) > 0)
		used += (size_t)got;
	for (size_t i = 0; i < used; i++)
		n += !buf[i];
	return n;
}

static void test_native_calls(void **state)
{
	char text[65536];
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_NATIVE, 0, &c);

	(void)state;
	say_native(fd, CALL("Acquire", "\"kind\":\"lcore\",\"count\":2"));
	turn(c);
	assert_int_equal(heard_native(fd, text, sizeof(text)), 1);
	assert_int_equal(leases(), 2);
	/* One whole, one in part. */
	say_native(fd, CALL("Status", ""));
	assert_int_equal(send(fd, CALL("Status", ""), 20, 0), 20);
	c = killed();
	turn(c);
	assert_int_equal(heard_native(fd, text, sizeof(text)), 1);
	c = killed();
	say_native(fd, &CALL("Status", "")[20]);
	turn(c);
	assert_int_equal(heard_native(fd, text, sizeof(text)), 1);
	assert_int_equal(leases(), 2);
}

/* An answer longer than what the socket takes: the rest comes from the next core. */
static void test_half_an_answer(void **state)
{
	char one[262144], other[262144];
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_NATIVE, 0, &c), small = 4096;
	size_t used = 0;
	ssize_t n;

	(void)state;
	say_native(fd, CALL("GetInterfaceDescription", ""));
	say_native(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		       "\"parameters\":{\"interface\":\"io.reeve\"}}");
	turn(c);
	turn(c);
	assert_int_equal(heard_native(fd, one, sizeof(one)), 2);
	assert_int_equal(setsockopt(c->watch.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	say_native(fd, CALL("GetInterfaceDescription", ""));
	say_native(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
		       "\"parameters\":{\"interface\":\"io.reeve\"}}");
	turn(c);
	turn(c);
	assert_true(conn_answer_waits(c) && c->kept->out_at > 0);
	c = killed();
	while ((n = recv(fd, other + used, sizeof(other) - used, MSG_DONTWAIT)) > 0) {
		used += (size_t)n;
		native_events(c, EPOLLOUT);
	}
	assert_memory_equal(one, other, used);
	assert_int_equal(one[used - 1], 0);
	assert_int_equal(c->kept->native.out.units, 0);
}

static void test_a_stream_goes_on(void **state)
{
	char text[65536];
	struct conn *c, *other;
	int fd = fake_connect(fake, SLOT, PP_DOOR_NATIVE, 0, &c), mtl;
	unsigned before;

	(void)state;
	say_native(fd,
		   "{\"method\":\"io.reeve.Events\",\"parameters\":{\"since\":0},\"more\":true}");
	turn(c);
	record_publish(&fake->core);
	before = heard_native(fd, text, sizeof(text));
	assert_true(before >= 1);
	mtl = fake_connect(fake, 6, PP_DOOR_MTL, 1000, &other);
	assert_int_equal(ask_mtl(other, mtl, MTL_REGISTER, 0, 0), 0);
	c = killed(); /* the other one is not handed on: its instance ends */
	record_publish(&fake->core);
	native_events(c, EPOLLOUT);
	/* It began, the next core began, it ended: each once. */
	assert_int_equal(heard_native(fd, text, sizeof(text)), 3);
	assert_ptr_equal(fake->core.streams, c);
}

static void test_planes_are_held_on(void **state)
{
	char text[4096];
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_NATIVE, 0, &c);

	(void)state;
	say_native(fd, CALL("HoldPlane", "\"plane\":\"mtl\""));
	turn(c);
	assert_int_equal(heard_native(fd, text, sizeof(text)), 1);
	assert_int_equal(fake->core.plane_holders[PLANE_MTL], 1);
	c = killed();
	assert_int_equal(fake->core.plane_holders[PLANE_MTL], 1);
	conn_close(c, "done");
	assert_int_equal(fake->core.plane_holders[PLANE_MTL], 0);
}

/* What its ids mean was found out once, for good. */
static void test_meanings_are_kept(void **state)
{
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, 0, 0), 0);
	for (uint16_t i = 20; i < 100; i++)
		assert_int_equal(ask_mtl(c, fd, MTL_GET_LCORE, i, 0), 0);
	assert_int_equal(c->kept->mtl.nmeanings, 80);
	c = killed();
	assert_int_equal(c->kept->mtl.nmeanings, 80);
	for (uint16_t i = 20; i < 100; i++)
		assert_int_equal(ask_mtl(c, fd, MTL_PUT_LCORE, i, 0), 0);
	assert_int_equal(leases(), 0);
}

static void test_over_what_the_core_ended_twice(void **state)
{
	struct fake_reeved *next = calloc(1, sizeof(*next)), *before = fake;
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, 0, 0), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_GET_LCORE, LCORE, 0), 0);
	say(fd, MTL_PUT_LCORE, LCORE, 0);
	assert_int_equal(journal_recv(c, c->kept->mtl.in, MTL_FRAME), MTL_FRAME);
	journal_at_work(c);
	fake_take_over(next, before, PP_END_FAULT);
	fake = next;
	c = fake_resume(next, before, SLOT);
	assert_non_null(c);
	/* It gets as far as to look at the same request again. */
	journal_at_work(c);
	assert_null(take_over(PP_END_FAULT));
	assert_int_equal(leases(), 0);
	assert_int_equal(recv(fd, &(char){ 0 }, 1, MSG_DONTWAIT), 0);
}

/* Killed from outside over the same request, now and then: that is not its fault. */
static void test_kills_are_no_fault(void **state)
{
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, 0, 0), 0);
	for (int i = 0; i < 20; i++) {
		say(fd, MTL_GET_LCORE, LCORE, 0);
		assert_int_equal(journal_recv(c, c->kept->mtl.in, MTL_FRAME), MTL_FRAME);
		journal_at_work(c);
		c = killed();
		assert_non_null(c);
		assert_int_equal(heard(fd), i ? -1 : 0);
	}
}

static void test_a_record_that_was_damaged(void **state)
{
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 1000, &c);
	struct fake_reeved *next = calloc(1, sizeof(*next)), *before = fake;

	(void)state;
	(void)fd;
	c->kept->peer.uid ^= 1000; /* root, by a bit that flipped */
	fake_take_over(next, before, PP_END_KILLED);
	fake = next;
	assert_null(fake_resume(next, before, SLOT));
	assert_int_equal(next->core.nunknown, 1);
}

/* reeved can't give it again: its holder loses it, and everybody is told. */
static void test_what_can_not_be_kept(void **state)
{
	struct fake_reeved *next = calloc(1, sizeof(*next)), *before = fake;
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, FAKE_IF, 0), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_GET_QUEUE, FAKE_IF, 0), 1);
	assert_int_equal(ask_mtl(c, fd, MTL_GET_LCORE, LCORE, 0), 0);
	fake_take_over(next, before, PP_END_KILLED);
	fake = next;
	fake_resume(next, before, SLOT);
	fake_add_nic(next, FAKE_IF, "eth0");
	next->fail_at = 1; /* to open the interface */
	next->error = ENODEV;
	fake_resync(next);
	assert_int_equal(leases(), 1);
	assert_true(fake_agrees(next));
}

/* The interface went away while there was no core. */
static void test_an_interface_that_is_gone(void **state)
{
	struct fake_reeved *next = calloc(1, sizeof(*next)), *before = fake;
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, FAKE_IF, 0), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_GET_QUEUE, FAKE_IF, 0), 1);
	fake_take_over(next, before, PP_END_KILLED);
	fake = next;
	fake_resume(next, before, SLOT);
	fake_resync(next);
	assert_int_equal(leases(), 0);
	assert_true(fake_agrees(next));
}

/* The socket was closed by reeved already; the ledger had not been settled. */
static void test_who_did_not_come_back(void **state)
{
	struct fake_reeved *next = calloc(1, sizeof(*next)), *before = fake;
	struct conn *c;
	int fd = fake_connect(fake, SLOT, PP_DOOR_MTL, 0, &c);

	(void)state;
	assert_int_equal(ask_mtl(c, fd, MTL_REGISTER, 0, 0), 0);
	assert_int_equal(ask_mtl(c, fd, MTL_GET_LCORE, LCORE, 0), 0);
	fake_take_over(next, before, PP_END_KILLED);
	fake = next;
	fake_resync(next);
	assert_int_equal(leases(), 0);
	assert_int_equal(next->core.journal.kept[SLOT].use, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_is_held_is_held_on, setup),
		cmocka_unit_test_setup(test_flows_are_held_on, setup),
		cmocka_unit_test_setup(test_a_request_that_was_read, setup),
		cmocka_unit_test_setup(test_a_request_that_waits_for_reeved, setup),
		cmocka_unit_test_setup(test_an_answer_that_was_not_sent, setup),
		cmocka_unit_test_setup(test_an_answer_that_was_not_settled, setup),
		cmocka_unit_test_setup(test_an_answer_with_a_descriptor, setup),
		cmocka_unit_test_setup(test_what_a_refused_register_joined, setup),
		cmocka_unit_test_setup(test_native_calls, setup),
		cmocka_unit_test_setup(test_half_an_answer, setup),
		cmocka_unit_test_setup(test_a_stream_goes_on, setup),
		cmocka_unit_test_setup(test_planes_are_held_on, setup),
		cmocka_unit_test_setup(test_meanings_are_kept, setup),
		cmocka_unit_test_setup(test_over_what_the_core_ended_twice, setup),
		cmocka_unit_test_setup(test_kills_are_no_fault, setup),
		cmocka_unit_test_setup(test_a_record_that_was_damaged, setup),
		cmocka_unit_test_setup(test_what_can_not_be_kept, setup),
		cmocka_unit_test_setup(test_an_interface_that_is_gone, setup),
		cmocka_unit_test_setup(test_who_did_not_come_back, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
