/* SPDX-License-Identifier: BSD-3-Clause */
/* Two stacks without flows, on a network without faults. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "port/simnet.h"
#include "stack/stack.h"

enum { PORT = 6666 };

struct end {
	struct port *port;
	struct stack *stack;
	struct ipaddr ip;
	uint32_t got;
	bool wants;
	struct stack_datagram last;
	struct mac last_mac;
	uint8_t data[2048];
};

static struct simnet *net;
static struct end ends[2], *const a = &ends[0], *const b = &ends[1];

static bool on_datagram(void *arg, const struct stack_datagram *d)
{
	struct end *e = arg;

	e->got++;
	e->last = *d;
	e->last_mac = *d->via;
	memcpy(e->data, d->data, d->len);
	return e->wants;
}

static const struct stack_user user = { .datagram = on_datagram };

static void open_end(struct end *e, const char *text)
{
	struct stack_conf c = { .naddrs = 1,
				.flows = 4,
				.segments = 16,
				.listeners = 4,
				.neighbours = 16,
				.seed = 1,
				.user = &user,
				.arg = e };

	*e = (struct end){ .wants = true };
	assert_int_equal(simnet_attach(net, 0, NULL, &e->port), 0);
	assert_int_equal(ipaddr_parse(text, &e->ip), 0);
	c.port = e->port;
	c.addrs[0] = (struct stack_addr){ .ip = e->ip, .prefix = 24 };
	assert_int_equal(stack_new(&c, 0, &e->stack), 0);
}

static int open4(void **state)
{
	(void)state;
	assert_int_equal(simnet_new(1, 256, &net), 0);
	open_end(a, "10.0.0.1");
	open_end(b, "10.0.0.2");
	return 0;
}

static int open6(void **state)
{
	(void)state;
	assert_int_equal(simnet_new(1, 256, &net), 0);
	open_end(a, "fd00::1");
	open_end(b, "fd00::2");
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	stack_free(a->stack);
	stack_free(b->stack);
	simnet_free(net);
	return 0;
}

/* Until the network is silent. */
static void run(void)
{
	do {
		while (stack_poll(a->stack, simnet_now(net)) ||
		       stack_poll(b->stack, simnet_now(net)))
			;
	} while (simnet_advance(net, simnet_now(net) + NS_PER_MS));
	stack_poll(a->stack, simnet_now(net));
	stack_poll(b->stack, simnet_now(net));
}

static struct stack_datagram from_a(const void *data, uint32_t len)
{
	return (struct stack_datagram){ .local = a->ip,
					.remote = b->ip,
					.local_port = PORT,
					.remote_port = PORT + 1,
					.data = data,
					.len = len };
}

static void the_way_is_found_and_it_arrives(void **state)
{
	const struct stack_datagram d = from_a("hello", 5);

	(void)state;
	assert_int_equal(stack_send_udp(a->stack, &d), -EHOSTUNREACH);
	run();
	assert_int_equal(stack_send_udp(a->stack, &d), 0);
	run();
	assert_int_equal(b->got, 1);
	assert_int_equal(b->last.len, 5);
	assert_memory_equal(b->data, "hello", 5);
	assert_memory_equal(&b->last.local, &b->ip, sizeof(b->ip));
	assert_memory_equal(&b->last.remote, &a->ip, sizeof(a->ip));
	assert_int_equal(b->last.local_port, PORT + 1);
	assert_int_equal(b->last.remote_port, PORT);
	assert_memory_equal(&b->last_mac, a->port->mac, sizeof(b->last_mac));
}

/* b has never asked who a is. */
static void an_answer_goes_back_where_it_came_from(void **state)
{
	struct stack_datagram d = from_a("x", 1);
	struct mac mac;

	(void)state;
	memcpy(mac.b, b->port->mac, sizeof(mac));
	d.via = &mac;
	assert_int_equal(stack_send_udp(a->stack, &d), 0);
	run();
	assert_int_equal(b->got, 1);
	d = b->last;
	d.via = &b->last_mac;
	d.data = b->data;
	d.local_port = PORT;
	assert_int_equal(stack_send_udp(b->stack, &d), 0);
	run();
	assert_int_equal(a->got, 1);
	assert_int_equal(a->last.remote_port, PORT);
}

static void what_can_not_be_is_refused(void **state)
{
	static const uint8_t many[2000];
	struct stack_datagram d = from_a(many, SIMNET_MTU);

	(void)state;
	assert_int_equal(stack_send_udp(a->stack, &d), -EMSGSIZE);
	d.len = UINT32_MAX;
	assert_int_equal(stack_send_udp(a->stack, &d), -EMSGSIZE);
	d.len = 1;
	d.local = b->ip;
	assert_int_equal(stack_send_udp(a->stack, &d), -EADDRNOTAVAIL);
	d.local = d.remote = a->ip;
	assert_int_equal(stack_send_udp(a->stack, &d), -ENETUNREACH);
	ipaddr_parse(ipaddr_is4(&a->ip) ? "192.0.2.1" : "2001:db8::1", &d.remote);
	if (ipaddr_is4(&a->ip))
		assert_int_equal(stack_send_udp(a->stack, &d), -ENETUNREACH);
}

static void the_ports_of_listeners_are_theirs(void **state)
{
	struct stack_datagram d = from_a("x", 1);
	struct mac mac;

	(void)state;
	memcpy(mac.b, b->port->mac, sizeof(mac));
	d.via = &mac;
	assert_int_equal(stack_listen(b->stack, &b->ip, d.remote_port, b), 0);
	assert_int_equal(stack_send_udp(a->stack, &d), 0);
	run();
	assert_int_equal(b->got, 0);
}

/* Then it is a Machnet packet without a flow, or none. */
static void what_is_not_wanted_goes_on(void **state)
{
	struct stack_datagram d = from_a("x", 1);
	struct stack_stats stats;
	struct mac mac;

	(void)state;
	memcpy(mac.b, b->port->mac, sizeof(mac));
	d.via = &mac;
	b->wants = false;
	assert_int_equal(stack_send_udp(a->stack, &d), 0);
	run();
	stack_stats(b->stack, &stats);
	assert_int_equal(b->got, 1);
	assert_int_equal(stats.damaged, 1);
}

static void the_source_is_an_address_of_the_same_kind(void **state)
{
	struct ipaddr ip, other;

	(void)state;
	assert_int_equal(stack_source(a->stack, &b->ip, &ip), 0);
	assert_memory_equal(&ip, &a->ip, sizeof(ip));
	ipaddr_parse(ipaddr_is4(&a->ip) ? "fd00::9" : "10.0.0.9", &other);
	assert_int_equal(stack_source(a->stack, &other, &ip), -ENETUNREACH);
}

#define BOTH(test)                                               \
	cmocka_unit_test_setup_teardown(test, open4, close_all), \
	{                                                        \
#test "_over_ipv6", test, open6, close_all, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(the_way_is_found_and_it_arrives),
		BOTH(an_answer_goes_back_where_it_came_from),
		BOTH(what_can_not_be_is_refused),
		BOTH(the_ports_of_listeners_are_theirs),
		BOTH(what_is_not_wanted_goes_on),
		BOTH(the_source_is_an_address_of_the_same_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
