/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses in the single form: every kind of frame, and whose it is. */
#include "whole.h"

#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_xdp.h>

#include "bpf/layout.h"
#include "reeve_xdp.skel.h"

enum { OWNER = 7, OTHER = REEVE_SLOTS - 1 };

static struct reeve_xdp *skel;
static int sock, table;

static void need_root(void)
{
	if (!skel)
		skip();
}

static void set(int map, uint32_t key, uint32_t value)
{
	assert_int_equal(bpf_map_update_elem(map, &key, &value, BPF_ANY), 0);
}

static struct reeve_address key_of(uint32_t owner, struct stack_address a)
{
	struct reeve_address key = { .owner = owner };

	memcpy(key.bytes, a.bytes, sizeof(key.bytes));
	return key;
}

static void address_set(uint32_t owner, struct stack_address a)
{
	const struct reeve_address key = key_of(owner, a);
	const uint32_t whole = REEVE_ADDRESS_WHOLE;

	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(skel->maps.addresses), &key, &whole, BPF_ANY), 0);
}

static void address_del(uint32_t owner, struct stack_address a)
{
	const struct reeve_address key = key_of(owner, a);

	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(skel->maps.addresses), &key), 0);
}

/* Frames of bpf_prog_test_run come to queue 0. */
static void queue_give(uint32_t mark)
{
	set(bpf_map__fd(skel->maps.owners), 0, mark);
}

static void slot_give(uint32_t slot, bool with_socket)
{
	int own = bpf_map_create(BPF_MAP_TYPE_ARRAY, "test", sizeof(uint32_t),
				 sizeof(struct reeve_port), REEVE_PORTS, NULL);
	int xskmap = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "test", sizeof(uint32_t), sizeof(uint32_t),
				    REEVE_QUEUES, NULL);

	assert_true(own >= 0 && xskmap >= 0);
	if (with_socket)
		set(xskmap, 0, (uint32_t)sock);
	set(bpf_map__fd(skel->maps.tables), slot, (uint32_t)own);
	set(bpf_map__fd(skel->maps.xskmaps), slot, (uint32_t)xskmap);
	close(xskmap);
	if (with_socket)
		table = own;
	else
		close(own);
}

static int setup(void **state)
{
	int n = 4;

	(void)state;
	libbpf_set_print(NULL);
	skel = reeve_xdp__open_and_load();
	if (!skel)
		return errno == EPERM ? 0 : -1;
	prog = bpf_program__fd(skel->progs.reeve_xdp);
	whole_last = ALONE;
	sock = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (sock < 0 || setsockopt(sock, SOL_XDP, XDP_RX_RING, &n, sizeof(n)) < 0)
		return -1;
	slot_give(OWNER, true);
	slot_give(OTHER, false);
	address_set(OWNER, ipv4(ALONE));
	address_set(OWNER, ipv6(ALONE));
	queue_give(OWNER | REEVE_OWNER_ADDRESSES);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (skel) {
		close(table);
		close(sock);
	}
	reeve_xdp__destroy(skel);
	return 0;
}

/* A queue's owner who has none is not asked, whatever stands in the map. */
static void test_only_marked_queues(void **state)
{
	const struct shape s = { .dst = ALONE };

	(void)state;
	need_root();
	queue_give(OWNER);
	assert_int_equal(answer(s), XDP_PASS);
	queue_give(0);
	assert_int_equal(answer(s), XDP_PASS);
	queue_give(REEVE_OWNER_ADDRESSES);
	assert_int_equal(answer(s), XDP_PASS);
	queue_give(OWNER | REEVE_OWNER_ADDRESSES);
	assert_int_equal(answer(s), XDP_REDIRECT);
}

/* Somebody else's queue has nothing of it, nor has the owner of somebody else's address. */
static void test_whose_it_is(void **state)
{
	(void)state;
	need_root();
	address_set(OTHER, ipv4(PEER));
	assert_int_equal(answer((struct shape){ .dst = PEER }), XDP_PASS);
	queue_give(OTHER | REEVE_OWNER_ADDRESSES);
	assert_int_equal(answer((struct shape){ .dst = ALONE }), XDP_PASS);
	queue_give(OWNER | REEVE_OWNER_ADDRESSES);
	address_set(OWNER, ipv4(PEER));
	assert_int_equal(answer((struct shape){ .dst = PEER }), XDP_REDIRECT);
	address_del(OWNER, ipv4(PEER));
	assert_int_equal(answer((struct shape){ .dst = PEER }), XDP_PASS);
	address_del(OTHER, ipv4(PEER));
}

/* Without a socket its frames are the kernel's. */
static void test_no_socket(void **state)
{
	(void)state;
	need_root();
	address_set(OTHER, ipv4(ALONE));
	queue_give(OTHER | REEVE_OWNER_ADDRESSES);
	assert_int_equal(answer((struct shape){ .dst = ALONE }), XDP_PASS);
	queue_give(OWNER | REEVE_OWNER_ADDRESSES);
	address_del(OTHER, ipv4(ALONE));
}

static uint64_t counted(uint32_t port)
{
	struct reeve_port value;

	assert_int_equal(bpf_map_lookup_elem(table, &port, &value), 0);
	return value.packets & REEVE_PORT_COUNT;
}

/* To whatever address, and counted; what is only for the address is not. */
static void test_ports_go_first(void **state)
{
	struct reeve_port on = { .packets = REEVE_PORT_ON }, off = { 0 };
	uint32_t port = FRAME_PORT;

	(void)state;
	need_root();
	assert_int_equal(bpf_map_update_elem(table, &port, &on, BPF_ANY), 0);
	assert_int_equal(answer((struct shape){ .dst = ALONE }), XDP_REDIRECT);
	assert_int_equal(answer((struct shape){ .dst = KERNEL }), XDP_REDIRECT);
	assert_int_equal(counted(port), 2);
	assert_int_equal(answer((struct shape){ .dst = ALONE, .to = OTHER_PORT }), XDP_REDIRECT);
	assert_int_equal(answer((struct shape){ .dst = KERNEL, .to = OTHER_PORT }), XDP_PASS);
	assert_int_equal(counted(port) + counted(OTHER_PORT), 2);
	assert_int_equal(bpf_map_update_elem(table, &port, &off, BPF_ANY), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WHOLE_TESTS,
		cmocka_unit_test(test_only_marked_queues),
		cmocka_unit_test(test_whose_it_is),
		cmocka_unit_test(test_no_socket),
		cmocka_unit_test(test_ports_go_first),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
