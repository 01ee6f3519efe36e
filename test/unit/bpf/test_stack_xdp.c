/* SPDX-License-Identifier: BSD-3-Clause */
/* Every kind of frame, to an address that is the stack's alone and to one that it shares. */
#include "whole.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_xdp.h>

#include "stack_xdp.skel.h"

static struct stack_xdp *skel;
static int sock;

static void need_root(void)
{
	if (!skel)
		skip();
}

/* --- what the tests run on ---------------------------------------------------- */

static void address_set(struct stack_address a, uint32_t bits)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.addresses), &a, &bits, BPF_ANY),
			 0);
}

static void socket_set(uint32_t queue, int fd)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.xskmap), &queue, &fd, BPF_ANY),
			 0);
}

static int setup(void **state)
{
	int n = 4;

	(void)state;
	libbpf_set_print(NULL);
	skel = stack_xdp__open_and_load();
	if (!skel)
		return errno == EPERM ? 0 : -1;
	prog = bpf_program__fd(skel->progs.stack_xdp);
	whole_last = SHARED;
	sock = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (sock < 0 || setsockopt(sock, SOL_XDP, XDP_RX_RING, &n, sizeof(n)) < 0)
		return -1;
	socket_set(0, sock);
	address_set(ipv4(ALONE), STACK_WHOLE);
	address_set(ipv6(ALONE), STACK_WHOLE);
	address_set(ipv4(SHARED), STACK_PORTS);
	address_set(ipv6(SHARED), STACK_PORTS);
	skel->bss->ports[htons(FRAME_PORT)] = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (skel)
		close(sock);
	stack_xdp__destroy(skel);
	return 0;
}

/* --- UDP ------------------------------------------------------------------------ */

static void test_udp_to_some_ports(void **state)
{
	(void)state;
	need_root();
	for (unsigned v6 = 0; v6 <= 1; v6++) {
		struct shape s = { .ipv6 = v6, .dst = SHARED };

		assert_int_equal(answer(s), XDP_REDIRECT);
		s.to = OTHER_PORT;
		assert_int_equal(answer(s), XDP_PASS);
		skel->bss->ports[htons(OTHER_PORT)] = 1;
		assert_int_equal(answer(s), XDP_REDIRECT);
		skel->bss->ports[htons(OTHER_PORT)] = 0;
		assert_int_equal(answer(s), XDP_PASS);
		s.to = 65535;
		skel->bss->ports[htons(65535)] = 1;
		assert_int_equal(answer(s), XDP_REDIRECT);
		skel->bss->ports[htons(65535)] = 0;
		s = (struct shape){ .ipv6 = v6, .dst = SHARED, .from = FRAME_PORT, .to = 1 };
		assert_int_equal(answer(s), XDP_PASS);
	}
}

/* --- the rest -------------------------------------------------------------------- */

static struct stack_counts counts(void)
{
	struct stack_counts each[512] = { 0 }, sum = { 0 };
	uint32_t first = 0;

	assert_in_range(libbpf_num_possible_cpus(), 1, 512);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.counts), &first, each), 0);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
		sum.redirected += each[i].redirected;
		sum.passed += each[i].passed;
	}
	return sum;
}

static void test_counts(void **state)
{
	struct stack_counts before, now;

	(void)state;
	need_root();
	before = counts();
	for (unsigned i = 0; i < 5; i++)
		answer((struct shape){ .dst = ALONE });
	answer((struct shape){ .dst = KERNEL });
	answer((struct shape){ .dst = ALONE, .vlans = 1 });
	now = counts();
	assert_int_equal(now.redirected - before.redirected, 5);
	assert_int_equal(now.passed - before.passed, 2);
}

/* The kernel answers for what nobody takes. */
static void test_no_socket(void **state)
{
	struct stack_counts before, now;
	uint32_t queue = 0;

	(void)state;
	need_root();
	before = counts();
	bpf_map_delete_elem(bpf_map__fd(skel->maps.xskmap), &queue);
	assert_int_equal(answer((struct shape){ .dst = ALONE }), XDP_PASS);
	socket_set(0, sock);
	assert_int_equal(answer((struct shape){ .dst = ALONE }), XDP_REDIRECT);
	now = counts();
	assert_int_equal(now.redirected - before.redirected, 1);
	assert_int_equal(now.passed - before.passed, 1);
}

static void test_addresses_come_and_go(void **state)
{
	struct stack_address a = ipv4(PEER);

	(void)state;
	need_root();
	assert_int_equal(answer((struct shape){ .dst = PEER, .to = 1 }), XDP_PASS);
	address_set(a, STACK_PORTS);
	assert_int_equal(answer((struct shape){ .dst = PEER, .to = 1 }), XDP_PASS);
	address_set(a, STACK_WHOLE);
	assert_int_equal(answer((struct shape){ .dst = PEER, .to = 1 }), XDP_REDIRECT);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(skel->maps.addresses), &a), 0);
	assert_int_equal(answer((struct shape){ .dst = PEER, .to = 1 }), XDP_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WHOLE_TESTS,
		cmocka_unit_test(test_udp_to_some_ports),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_addresses_come_and_go),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
