/* SPDX-License-Identifier: BSD-3-Clause */
/* The dispatcher's filter, run by the kernel without a dispatcher. */
#include "frame.h"

#include "bpf/layout.h"
#include "mtl_dp_filter.skel.h"

static struct mtl_dp_filter *skel;
static int prog, filter;

static int setup(void **state)
{
	(void)state;
	libbpf_set_print(NULL);
	skel = mtl_dp_filter__open_and_load();
	if (!skel)
		return errno == EPERM ? 0 : -1;
	prog = bpf_program__fd(skel->progs.mtl_dp_filter);
	filter = bpf_map__fd(skel->maps.filter);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mtl_dp_filter__destroy(skel);
	return 0;
}

static void need_root(void)
{
	if (!skel)
		skip();
}

static int port_on(void **state)
{
	struct reeve_count none = { 0 };
	uint16_t port = FRAME_PORT;

	(void)state;
	return skel ? bpf_map_update_elem(filter, &port, &none, BPF_ANY) : 0;
}

static void test_taken(void **state)
{
	(void)state;
	need_root();
	check_taken(prog, XDP_DROP);
}

static void test_left(void **state)
{
	(void)state;
	need_root();
	check_left(prog);
}

static void test_cut(void **state)
{
	(void)state;
	need_root();
	check_cut(prog, XDP_DROP);
	check_lies(prog, XDP_DROP);
}

static void test_ports(void **state)
{
	uint16_t port = FRAME_PORT;

	(void)state;
	need_root();
	assert_int_equal(run_frame(prog, (struct shape){ .to = FRAME_PORT + 1 }), XDP_PASS);
	assert_int_equal(run_frame(prog, (struct shape){ .from = FRAME_PORT, .to = 1 }), XDP_PASS);
	/* Not the other byte order. */
	assert_int_equal(run_frame(prog, (struct shape){ .to = 0x8813 }), XDP_PASS);
	assert_int_equal(bpf_map_delete_elem(filter, &port), 0);
	assert_int_equal(run_frame(prog, (struct shape){ 0 }), XDP_PASS);
}

static void test_every_port(void **state)
{
	struct reeve_count none = { 0 };

	(void)state;
	need_root();
	for (uint32_t i = 0; i < REEVE_FILTER_PORTS; i++) {
		uint16_t port = (uint16_t)i;

		assert_int_equal(bpf_map_update_elem(filter, &port, &none, BPF_ANY), 0);
	}
	for (uint32_t i = 1; i < REEVE_FILTER_PORTS; i += 251)
		assert_int_equal(run_frame(prog, (struct shape){ .to = (uint16_t)i }), XDP_DROP);
	for (uint32_t i = 0; i < REEVE_FILTER_PORTS; i++) {
		uint16_t port = (uint16_t)i;

		assert_int_equal(bpf_map_delete_elem(filter, &port), 0);
	}
}

static void test_counts(void **state)
{
	struct frame small = frame_make((struct shape){ 0 });
	struct frame large = frame_make((struct shape){ .ipv6 = true, .vlans = 2 });
	struct reeve_count got;
	uint16_t port = FRAME_PORT;

	(void)state;
	need_root();
	for (unsigned i = 0; i < 3; i++)
		run_cut(prog, &small, small.len, 0, 0);
	run_cut(prog, &large, large.len, 0, 0);
	run_frame(prog, (struct shape){ .fragment = FRAGMENT_FIRST });
	run_frame(prog, (struct shape){ .to = 1 });
	assert_int_equal(bpf_map_lookup_elem(filter, &port, &got), 0);
	assert_int_equal(got.packets, 4);
	assert_int_equal(got.bytes, 3 * small.len + large.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_taken, port_on),
		cmocka_unit_test_setup(test_left, port_on),
		cmocka_unit_test_setup(test_cut, port_on),
		cmocka_unit_test_setup(test_ports, port_on),
		cmocka_unit_test_setup(test_every_port, port_on),
		cmocka_unit_test_setup(test_counts, port_on),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
