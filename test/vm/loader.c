/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reeve-bpf where libxdp's dispatcher works: our two programs alone, and among
 * others' which must neither notice nor suffer. Seen through xdp-loader, too.
 */
#include "../unit/reeve-bpf/harness.h"

#include "mtl_dp_filter.skel.h"

/* An attachment takes long in a guest, and makes many calls: not each of them fails. */
enum { RUNS = 5 };

#define FOREIGN "xdpfilt_alw_all"
#define OBJECT	"/usr/lib/x86_64-linux-gnu/bpf/" FOREIGN ".o"

static struct loader_request dispatcher(const char *ifname)
{
	return attach_request(ifname, NIC_WANT_DISPATCHER, NIC_MODE_AUTO);
}

static int setup(void **state)
{
	(void)state;
	return place_open();
}

/* Whether a line of `xdp-loader status` matches, blanks at its end aside. */
static bool status_has(const char *ifname, const char *pattern)
{
	char command[256];

	snprintf(command, sizeof(command), "xdp-loader status %s | grep -qE '%s *$'", ifname,
		 pattern);
	return shell(command) == 0;
}

static bool we_run_on(const char *ifname)
{
	return status_has(ifname, "=> +19 +mtl_dp_filter +[0-9]+ +[0-9a-f]+ +XDP_DROP") &&
	       status_has(ifname, "=> +20 +xsk_def_prog +[0-9]+ +[0-9a-f]+ +XDP_PASS");
}

static bool foreign_runs_on(const char *ifname)
{
	return status_has(ifname, "=> +10 +" FOREIGN " +[0-9]+ +[0-9a-f]+ +XDP_PASS");
}

static void load_foreign(const char *ifname)
{
	char command[256];

	snprintf(command, sizeof(command), "xdp-loader load -m native %s " OBJECT, ifname);
	assert_int_equal(shell(command), 0);
}

/* Neither our pins nor libxdp's for an interface that runs nothing. */
static void assert_nothing(const char *ifname)
{
	assert_int_equal(attached_id(ifname), 0);
	assert_no_pins();
	assert_int_equal(shell("! ls -d " BPFFS "/xdp/dispatch-* >/dev/null 2>&1"), 0);
}

static void assert_map(int fd, uint32_t type, uint32_t entries)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_int_equal(info.type, type);
	assert_int_equal(info.max_entries, entries);
}

static void test_alone(void **state)
{
	struct reply r;

	(void)state;
	place_renew();
	r = ask(dispatcher("va"));
	assert_string_equal(r.a.why, "");
	assert_int_equal(r.a.form, NIC_FORM_DISPATCHER);
	assert_int_equal(r.a.mode, NIC_MODE_NATIVE);
	assert_int_equal(r.a.prog_id, attached_id("va"));
	assert_map(r.fds[LOADER_FD_FILTER], BPF_MAP_TYPE_HASH, NIC_PORTS);
	assert_map(r.fds[LOADER_FD_XSKMAP], BPF_MAP_TYPE_XSKMAP, NIC_QUEUES_MAX);
	assert_true(we_run_on("va"));
	assert_true(status_has("va", "va +xdp_dispatcher +native +[0-9]+ +[0-9a-f]+"));
	reply_close(&r);
	detach_ok(index_of("va"), 0);
	assert_nothing("va");
}

static void test_generic(void **state)
{
	struct loader_request q;

	(void)state;
	place_renew();
	assert_int_equal(shell("ip link add du up type dummy"), 0);
	assert_int_equal(attach_ok(dispatcher("du")).mode, NIC_MODE_GENERIC);
	assert_true(we_run_on("du"));
	assert_true(status_has("du", "du +xdp_dispatcher +skb +[0-9]+ +[0-9a-f]+"));
	detach_ok(index_of("du"), 0);
	assert_nothing("du");
	q = attach_request("du", NIC_WANT_DISPATCHER, NIC_MODE_ONLY_NATIVE);
	attach_fails(q, EOPNOTSUPP, "native");
	assert_nothing("du");
	q = attach_request("va", NIC_WANT_DISPATCHER, NIC_MODE_ONLY_GENERIC);
	assert_int_equal(attach_ok(q).mode, NIC_MODE_GENERIC);
	detach_ok(q.ifindex, 0);
	assert_nothing("va");
}

static void test_large_mtu(void **state)
{
	(void)state;
	place_renew();
	assert_int_equal(shell("ip link set va mtu 9000 && ip link set vb mtu 9000"), 0);
	assert_int_equal(attach_ok(dispatcher("va")).mode, NIC_MODE_NATIVE);
	assert_true(we_run_on("va"));
	detach_ok(index_of("va"), 0);
	assert_nothing("va");
}

/* What the chain does with a frame for `port`, by the kernel's own test. */
static uint32_t chain(uint32_t prog_id, uint16_t port)
{
	uint8_t frame[64] = {
		[12] = 8, [14] = 0x45, [23] = 17, [36] = (uint8_t)(port >> 8), [37] = (uint8_t)port,
		[39] = 30
	};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame));
	_cleanup_fd_ int prog = bpf_prog_get_fd_by_id(prog_id);

	assert_int_equal(bpf_prog_test_run_opts(prog, &run), 0);
	return run.retval;
}

static void test_frames(void **state)
{
	struct reeve_count {
		uint64_t packets, bytes;
	} count = { 0 };
	uint16_t port = 5000;
	struct reply r;

	(void)state;
	place_renew();
	r = ask(dispatcher("va"));
	assert_int_equal(r.a.error, 0);
	assert_int_equal(chain(r.a.prog_id, port), XDP_PASS);
	assert_int_equal(bpf_map_update_elem(r.fds[LOADER_FD_FILTER], &port, &count, BPF_ANY), 0);
	/* No socket is there: the frame is counted, and the kernel's. */
	assert_int_equal(chain(r.a.prog_id, port), XDP_PASS);
	assert_int_equal(bpf_map_lookup_elem(r.fds[LOADER_FD_FILTER], &port, &count), 0);
	assert_int_equal(count.packets, 1);
	assert_int_equal(count.bytes, 64);
	reply_close(&r);
	detach_ok(index_of("va"), 0);
}

static void test_either(void **state)
{
	(void)state;
	place_renew();
	assert_int_equal(attach_ok(attach_request("va", NIC_WANT_EITHER, NIC_MODE_AUTO)).form,
			 NIC_FORM_DISPATCHER);
	/* And from one form to the other, as when a config changes. */
	assert_int_equal(attach_ok(attach_request("va", NIC_WANT_SINGLE, NIC_MODE_AUTO)).form,
			 NIC_FORM_SINGLE);
	assert_int_equal(attach_ok(dispatcher("va")).form, NIC_FORM_DISPATCHER);
	detach_ok(index_of("va"), 0);
	assert_nothing("va");
}

/* --- others ----------------------------------------------------------------------- */

static void test_joins(void **state)
{
	struct loader_request q;

	(void)state;
	place_renew();
	load_foreign("va");
	q = attach_request("va", NIC_WANT_SINGLE, NIC_MODE_AUTO);
	attach_fails(q, EBUSY, "\"xdp_dispatcher\"");
	q = attach_request("va", NIC_WANT_DISPATCHER, NIC_MODE_ONLY_GENERIC);
	attach_fails(q, EBUSY, "va has libxdp's dispatcher in native mode");
	assert_true(foreign_runs_on("va"));
	attach_ok(dispatcher("va"));
	assert_true(foreign_runs_on("va"));
	assert_true(we_run_on("va"));
	/* Again, in place of a predecessor. */
	attach_ok(dispatcher("va"));
	assert_true(we_run_on("va"));
	detach_ok(index_of("va"), 0);
	assert_true(foreign_runs_on("va"));
	assert_false(status_has("va", "=> .*(mtl_dp_filter|xsk_def_prog).*"));
	assert_no_pins();
}

static void test_is_joined(void **state)
{
	(void)state;
	place_renew();
	attach_ok(dispatcher("va"));
	load_foreign("va");
	assert_true(we_run_on("va"));
	assert_true(foreign_runs_on("va"));
	detach_ok(index_of("va"), 0);
	assert_true(foreign_runs_on("va"));
	assert_false(status_has("va", "=> .*(mtl_dp_filter|xsk_def_prog).*"));
	assert_no_pins();
}

static void test_foreign_single(void **state)
{
	struct mtl_dp_filter *skel = mtl_dp_filter__open_and_load();
	uint32_t id;

	(void)state;
	place_renew();
	assert_non_null(skel);
	assert_int_equal(bpf_xdp_attach((int)index_of("va"),
					bpf_program__fd(skel->progs.mtl_dp_filter),
					XDP_FLAGS_DRV_MODE, NULL),
			 0);
	id = attached_id("va");
	attach_fails(dispatcher("va"), EBUSY, "va has the XDP program \"mtl_dp_filter\"");
	assert_int_equal(attached_id("va"), id);
	assert_no_pins();
	mtl_dp_filter__destroy(skel);
}

/* The filter by itself, as an administrator would load it. */
static void test_object(void **state)
{
	char program[512], command[600];

	(void)state;
	place_renew();
	program_path(program);
	*strstr(program, "/daemons/reeve-bpf/") = '\0';
	snprintf(command, sizeof(command), "xdp-loader load -m native va %s/bpf/mtl.xdp.o",
		 program);
	assert_int_equal(shell(command), 0);
	assert_true(status_has("va", "=> +19 +mtl_dp_filter +[0-9]+ +[0-9a-f]+ +XDP_DROP"));
}

/* --- trouble ------------------------------------------------------------------------ */

static void test_no_memory(void **state)
{
	(void)state;
	place_renew();
	check_failures(dispatcher("va"), "va", calls_of(dispatcher("va")) / RUNS + 1);
	assert_nothing("va");
}

static int kill_at(pid_t pid, const struct seccomp_data *call, void *arg)
{
	struct nth *n = arg;

	(void)call;
	if (++n->seen == n->at)
		kill(pid, SIGKILL);
	return 0;
}

/* The next one undoes what was left, also of what libxdp had not pinned yet. */
static void test_killed(void **state)
{
	struct nth n = { 0 };
	unsigned step;

	(void)state;
	place_renew();
	step = calls_of(dispatcher("va")) / RUNS + 1;
	while (nth_next(&n, step)) {
		struct loader_request q = dispatcher("va");
		struct reply r = send_request(&q, sizeof(q), kill_at, &n);

		reply_close(&r);
		attach_ok(q);
		detach_ok(q.ifindex, 0);
		assert_int_equal(attached_id("va"), 0);
		assert_no_pins();
	}
}

static void test_interface_gone(void **state)
{
	uint32_t ifindex;

	(void)state;
	place_renew();
	ifindex = index_of("va");
	attach_ok(dispatcher("va"));
	assert_int_equal(shell("ip link del va"), 0);
	detach_ok(ifindex, 0);
	assert_nothing("lo");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),	  cmocka_unit_test(test_generic),
		cmocka_unit_test(test_large_mtu), cmocka_unit_test(test_frames),
		cmocka_unit_test(test_either),	  cmocka_unit_test(test_joins),
		cmocka_unit_test(test_is_joined), cmocka_unit_test(test_foreign_single),
		cmocka_unit_test(test_object),	  cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_killed),	  cmocka_unit_test(test_interface_gone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, NULL);
}
