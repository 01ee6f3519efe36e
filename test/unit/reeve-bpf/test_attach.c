/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The single form, on this kernel, and what is the same for both. The
 * dispatcher's part needs a kernel that lets it work: test/vm/loader.c.
 */
#include "mech/ethnl.h"
#include "mtl_dp_filter.skel.h"

#include "harness.h"

static bool have_place;

static int setup(void **state)
{
	(void)state;
	have_place = place_open() == 0;
	return have_place || errno == EPERM ? 0 : -1;
}

/* Not a cmocka setup: those can't skip. */
static void begin(void)
{
	if (!have_place)
		skip();
	place_renew();
}

static struct loader_request single(const char *ifname)
{
	return attach_request(ifname, NIC_WANT_SINGLE, NIC_MODE_AUTO);
}

static void assert_map(int fd, const char *name)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_string_equal(info.name, name);
}

static void assert_private(const char *dir)
{
	struct stat st;

	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_native(void **state)
{
	char dir[LOADER_PATH_MAX];
	struct reply r;

	(void)state;
	begin();
	r = ask(single("va"));
	assert_int_equal(r.a.error, 0);
	assert_int_equal(r.a.form, NIC_FORM_SINGLE);
	assert_int_equal(r.a.mode, NIC_MODE_NATIVE);
	assert_int_equal(r.a.channels_were, 0);
	assert_int_equal(attached_id("va"), r.a.prog_id);
	assert_int_equal(attached_mode("va"), NIC_MODE_NATIVE);
	assert_map(r.fds[LOADER_FD_TABLES], "tables");
	assert_map(r.fds[LOADER_FD_XSKMAPS], "xskmaps");
	assert_map(r.fds[LOADER_FD_OWNERS], "owners");
	assert_map(r.fds[LOADER_FD_FLOWS], "flows");
	assert_int_equal(loader_pin_path(index_of("va"), dir), 0);
	assert_private(dir);
	*strrchr(dir, '/') = '\0';
	assert_private(dir);
	assert_private(LOADER_PINS);
	detach_ok(index_of("va"), 0);
	assert_int_equal(attached_id("va"), 0);
	assert_no_pins();
	detach_ok(index_of("va"), 0);
	reply_close(&r);
}

static void test_modes(void **state)
{
	struct loader_request q;

	(void)state;
	begin();
	q = attach_request("va", NIC_WANT_SINGLE, NIC_MODE_ONLY_GENERIC);
	assert_int_equal(attach_ok(q).mode, NIC_MODE_GENERIC);
	assert_int_equal(attached_mode("va"), NIC_MODE_GENERIC);
	detach_ok(q.ifindex, 0);
	/* The loopback interface has no native mode. */
	assert_int_equal(attach_ok(single("lo")).mode, NIC_MODE_GENERIC);
	detach_ok(index_of("lo"), 0);
	q = attach_request("lo", NIC_WANT_SINGLE, NIC_MODE_ONLY_NATIVE);
	attach_fails(q, EOPNOTSUPP, "lo does not take an XDP program in native mode");
	assert_no_pins();
}

static void test_either(void **state)
{
	struct loader_request q;
	struct reply probe;

	(void)state;
	begin();
	probe = ask((struct loader_request){
		.magic = LOADER_MAGIC, .version = LOADER_VERSION, .op = LOADER_PROBE });
	assert_int_equal(probe.a.value & ~LOADER_CAN_FREPLACE,
			 LOADER_CAN_XDP | LOADER_CAN_LINK | LOADER_CAN_PIN | LOADER_CAN_NATIVE);
	q = attach_request("va", NIC_WANT_EITHER, NIC_MODE_AUTO);
	if (probe.a.value & LOADER_CAN_FREPLACE) {
		assert_int_equal(attach_ok(q).form, NIC_FORM_DISPATCHER);
	} else {
		assert_int_equal(attach_ok(q).form, NIC_FORM_SINGLE);
		q.form = NIC_WANT_DISPATCHER;
		attach_fails(q, EPERM, "dispatcher");
	}
	detach_ok(q.ifindex, 0);
	assert_no_pins();
}

/* Drivers refuse a program that takes one buffer only where a frame may need more. */
static void test_large_mtu(void **state)
{
	(void)state;
	begin();
	assert_int_equal(shell("ip link set va mtu 9000 && ip link set vb mtu 9000"), 0);
	assert_int_equal(attach_ok(single("va")).mode, NIC_MODE_NATIVE);
	detach_ok(index_of("va"), 0);
}

static int refuse_frags(pid_t pid, const struct seccomp_data *call, void *arg)
{
	union bpf_attr attr = { 0 };
	_cleanup_fd_ int memory = -1;
	char path[64];

	(void)arg;
	if (call->args[0] != BPF_PROG_LOAD)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (pread(memory, &attr, sizeof(attr), (off_t)call->args[1]) <= 0)
		return EFAULT;
	return attr.prog_flags & BPF_F_XDP_HAS_FRAGS ? EINVAL : 0;
}

/* As before Linux 5.18. */
static void test_no_frags(void **state)
{
	struct reply r;

	(void)state;
	begin();
	r = ask_judged(single("va"), refuse_frags, NULL);
	assert_int_equal(r.a.error, 0);
	assert_int_equal(r.a.mode, NIC_MODE_NATIVE);
	reply_close(&r);
	detach_ok(index_of("va"), 0);
}

/* --- other programs --------------------------------------------------------------- */

static void check_foreign(struct mtl_dp_filter *skel, uint32_t flags)
{
	int prog = bpf_program__fd(skel->progs.mtl_dp_filter);
	char text[64];
	uint32_t id;

	assert_int_equal(bpf_xdp_attach((int)index_of("va"), prog, flags, NULL), 0);
	id = attached_id("va");
	snprintf(text, sizeof(text), "va has the XDP program \"mtl_dp_filter\" (id %u) in %s mode",
		 id, flags == XDP_FLAGS_DRV_MODE ? "native" : "generic");
	attach_fails(single("va"), EBUSY, text);
	attach_fails(single("va"), EBUSY, "xdp-loader status va");
	assert_int_equal(attached_id("va"), id);
	assert_no_pins();
	/* With nothing of ours there, there is nothing to detach. */
	detach_ok(index_of("va"), 0);
	assert_int_equal(attached_id("va"), id);
	assert_int_equal(bpf_xdp_detach((int)index_of("va"), flags, NULL), 0);
}

static void test_foreign(void **state)
{
	struct mtl_dp_filter *skel;
	struct bpf_link *link;
	uint32_t id;

	(void)state;
	begin();
	skel = mtl_dp_filter__open_and_load();
	assert_non_null(skel);
	check_foreign(skel, XDP_FLAGS_DRV_MODE);
	check_foreign(skel, XDP_FLAGS_SKB_MODE);
	link = bpf_program__attach_xdp(skel->progs.mtl_dp_filter, (int)index_of("va"));
	assert_non_null(link);
	id = attached_id("va");
	attach_fails(single("va"), EBUSY, "\"mtl_dp_filter\"");
	assert_int_equal(attached_id("va"), id);
	bpf_link__destroy(link);
	attach_ok(single("va"));
	/* And nobody gets in while we are there. */
	assert_true(bpf_xdp_attach((int)index_of("va"), bpf_program__fd(skel->progs.mtl_dp_filter),
				   XDP_FLAGS_DRV_MODE, NULL) < 0);
	detach_ok(index_of("va"), 0);
	mtl_dp_filter__destroy(skel);
}

/* Between any check and the attachment: in the last call before the link is made. */
static int attach_other(pid_t pid, const struct seccomp_data *call, void *arg)
{
	struct mtl_dp_filter *skel = arg;

	(void)pid;
	if (call->args[0] == BPF_LINK_CREATE)
		bpf_xdp_attach((int)index_of("va"), bpf_program__fd(skel->progs.mtl_dp_filter),
			       XDP_FLAGS_DRV_MODE, NULL);
	return 0;
}

static void test_race(void **state)
{
	struct mtl_dp_filter *skel;
	struct reply r;

	(void)state;
	begin();
	skel = mtl_dp_filter__open_and_load();
	assert_non_null(skel);
	r = ask_judged(single("va"), attach_other, skel);
	assert_int_equal(r.a.error, EBUSY);
	assert_non_null(strstr(r.a.why, "\"mtl_dp_filter\""));
	assert_int_not_equal(attached_id("va"), 0);
	assert_no_pins();
	mtl_dp_filter__destroy(skel);
}

/* --- trouble ------------------------------------------------------------------------ */

static void remount(unsigned long flags)
{
	assert_int_equal(mount(NULL, BPFFS, NULL, MS_REMOUNT | MS_BIND | flags, NULL), 0);
}

static void test_bpffs(void **state)
{
	struct loader_request q;

	(void)state;
	begin();
	q = single("va");
	remount(MS_RDONLY);
	attach_fails(q, EROFS, "mount -o remount,rw " BPFFS);
	detach_ok(q.ifindex, 0);
	remount(0);
	attach_ok(q);
	remount(MS_RDONLY);
	q.op = LOADER_DETACH;
	attach_fails(q, EROFS, "mount -o remount,rw " BPFFS);
	remount(0);
	detach_ok(q.ifindex, 0);
	assert_no_pins();
	assert_int_equal(umount2(BPFFS, MNT_DETACH), 0);
	attach_fails(single("va"), ENOENT, "mount -t bpf bpf " BPFFS);
	detach_ok(index_of("va"), 0);
	assert_int_equal(attached_id("va"), 0);
}

static void test_no_memory(void **state)
{
	(void)state;
	begin();
	check_failures(single("va"), "va", 1);
}

/* A detachment that fails can be asked for again. */
static void test_detach_fails(void **state)
{
	struct loader_request q;
	struct nth n = { 0 };

	(void)state;
	begin();
	q = single("va");
	while (nth_next(&n, 1)) {
		struct loader_request undo = q;

		attach_ok(q);
		undo.op = LOADER_DETACH;
		ask_judged(undo, fail_nth, &n);
		detach_ok(q.ifindex, 0);
		assert_int_equal(attached_id("va"), 0);
		assert_no_pins();
	}
}

static void test_predecessor(void **state)
{
	uint32_t first, second;

	(void)state;
	begin();
	first = attach_ok(single("va")).prog_id;
	second = attach_ok(single("va")).prog_id;
	assert_int_not_equal(first, second);
	assert_int_equal(attached_id("va"), second);
	assert_int_equal(bpf_prog_get_fd_by_id(first), -ENOENT);
	detach_ok(index_of("va"), 0);
	assert_no_pins();
}

static int kill_at(pid_t pid, const struct seccomp_data *call, void *arg)
{
	struct nth *n = arg;

	(void)call;
	if (++n->seen == n->at)
		kill(pid, SIGKILL);
	return 0;
}

/* Killed anywhere on the way: the next one finds no hindrance. */
static void test_killed(void **state)
{
	struct nth n = { 0 };
	struct loader_request q;

	(void)state;
	begin();
	q = single("va");
	while (nth_next(&n, 2)) {
		struct reply r = send_request(&q, sizeof(q), kill_at, &n);
		uint32_t id;

		reply_close(&r);
		id = attach_ok(q).prog_id;
		assert_int_equal(attached_id("va"), id);
		detach_ok(q.ifindex, 0);
		assert_no_pins();
	}
}

static void test_interface_gone(void **state)
{
	uint32_t ifindex;

	(void)state;
	begin();
	ifindex = index_of("va");
	attach_ok(single("va"));
	assert_int_equal(shell("ip link del va"), 0);
	detach_ok(ifindex, 0);
	assert_no_pins();
	attach_fails((struct loader_request){ .magic = LOADER_MAGIC,
					      .version = LOADER_VERSION,
					      .op = LOADER_ATTACH,
					      .form = NIC_WANT_SINGLE,
					      .ifindex = ifindex },
		     ENODEV, "no interface");
	assert_no_pins();
}

/* Each interface has pins of its own. */
static void test_two(void **state)
{
	uint32_t id;

	(void)state;
	begin();
	attach_ok(single("va"));
	id = attach_ok(single("vb")).prog_id;
	detach_ok(index_of("va"), 0);
	assert_int_equal(attached_id("va"), 0);
	assert_int_equal(attached_id("vb"), id);
	detach_ok(index_of("vb"), 0);
	assert_no_pins();
}

static uint32_t queues_of(const char *ifname)
{
	_cleanup_fd_ int sock = ethnl_socket();
	struct ethnl_channels channels;
	struct ethnl n;

	assert_int_equal(ethnl_open(&n, sock, false, NULL), 0);
	assert_int_equal(ethnl_get_channels(&n, index_of(ifname), &channels), 0);
	return ethnl_queues(&channels);
}

static void test_channels(void **state)
{
	struct loader_request q;

	(void)state;
	begin();
	q = single("va");
	q.channels = 4;
	assert_int_equal(attach_ok(q).channels_were, 0);
	detach_ok(q.ifindex, 0);
	q.channels = 2;
	assert_int_equal(attach_ok(q).channels_were, 4);
	assert_int_equal(queues_of("va"), 2);
	detach_ok(q.ifindex, 3);
	assert_int_equal(queues_of("va"), 3);
	/* Also with nothing left to detach. */
	detach_ok(q.ifindex, 4);
	assert_int_equal(queues_of("va"), 4);
	/* More than it has, and an interface without any. */
	q.channels = 5;
	attach_fails(q, EINVAL, "");
	assert_int_equal(attached_id("va"), 0);
	assert_int_equal(queues_of("va"), 4);
	q = single("lo");
	q.channels = 2;
	attach_fails(q, EOPNOTSUPP, "");
	assert_int_equal(attached_id("lo"), 0);
	assert_no_pins();
}

/* They are as they were when what comes after them fails. */
static void test_channels_undone(void **state)
{
	struct loader_request q;
	struct mtl_dp_filter *skel;

	(void)state;
	begin();
	skel = mtl_dp_filter__open_and_load();
	assert_non_null(skel);
	assert_int_equal(bpf_xdp_attach((int)index_of("va"),
					bpf_program__fd(skel->progs.mtl_dp_filter),
					XDP_FLAGS_SKB_MODE, NULL),
			 0);
	q = single("va");
	q.channels = 2;
	attach_fails(q, EBUSY, "mtl_dp_filter");
	assert_int_equal(queues_of("va"), 4);
	mtl_dp_filter__destroy(skel);
}

/* --- owners -------------------------------------------------------------------------- */

static struct loader_request owner_request(uint32_t slot)
{
	return (struct loader_request){ .magic = LOADER_MAGIC,
					.version = LOADER_VERSION,
					.op = LOADER_OWNER,
					.slot = slot,
					.owner = 12 };
}

static struct reply owner_under(const struct reply *attached, uint32_t slot, verdict *judge,
				void *arg)
{
	struct loader_request q = owner_request(slot);

	return send_request_fds(&q, sizeof(q), attached->fds, judge, arg);
}

static uint32_t map_id(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

/* The number of the map under a slot; 0: none. */
static uint32_t id_under(const struct reply *attached, unsigned map, uint32_t slot)
{
	uint32_t id = 0;

	bpf_map_lookup_elem(attached->fds[map], &slot, &id);
	return id;
}

static void assert_under(const struct reply *attached, uint32_t slot, const struct reply *owner)
{
	assert_int_equal(owner->a.error, 0);
	assert_int_equal(owner->nfds, 2);
	assert_map(owner->fds[LOADER_FD_OWN_TABLE], "ports_12");
	assert_map(owner->fds[LOADER_FD_OWN_XSKMAP], "xsks_12");
	assert_int_equal(id_under(attached, LOADER_FD_TABLES, slot),
			 map_id(owner->fds[LOADER_FD_OWN_TABLE]));
	assert_int_equal(id_under(attached, LOADER_FD_XSKMAPS, slot),
			 map_id(owner->fds[LOADER_FD_OWN_XSKMAP]));
}

static void test_owners(void **state)
{
	struct reply attached, first, second;
	uint32_t stale;

	(void)state;
	begin();
	attached = ask(single("va"));
	assert_int_equal(attached.a.error, 0);
	first = owner_under(&attached, 1, NULL, NULL);
	assert_under(&attached, 1, &first);
	second = owner_under(&attached, LOADER_SLOTS - 1, NULL, NULL);
	assert_under(&attached, LOADER_SLOTS - 1, &second);
	assert_under(&attached, 1, &first);
	reply_close(&second);
	/* The slot's next user gets nothing of the one before. */
	stale = id_under(&attached, LOADER_FD_XSKMAPS, 1);
	second = owner_under(&attached, 1, NULL, NULL);
	assert_under(&attached, 1, &second);
	assert_int_not_equal(id_under(&attached, LOADER_FD_XSKMAPS, 1), stale);
	assert_int_equal(map_id(first.fds[LOADER_FD_OWN_XSKMAP]), stale);
	reply_close(&first);
	reply_close(&second);
	reply_close(&attached);
	detach_ok(index_of("va"), 0);
}

/* Whatever it fails at, the next one finds no hindrance. */
static void test_owner_fails(void **state)
{
	struct reply attached, r;
	struct nth n = { 0 };
	unsigned refused = 0;

	(void)state;
	begin();
	attached = ask(single("va"));
	while (nth_next(&n, 1)) {
		r = owner_under(&attached, 5, fail_nth, &n);
		assert_true(r.answered);
		if (r.a.error) {
			assert_int_equal(r.a.error, ENOMEM);
			assert_non_null(strstr(r.a.why, "can't"));
			refused++;
		}
		reply_close(&r);
		r = owner_under(&attached, 5, NULL, NULL);
		assert_under(&attached, 5, &r);
		reply_close(&r);
	}
	assert_int_equal(refused, 4);
	reply_close(&attached);
	detach_ok(index_of("va"), 0);
}

/* --- sockets -------------------------------------------------------------------------- */

static struct loader_request xsk_request(const char *ifname, uint32_t queue)
{
	struct loader_request q = { .magic = LOADER_MAGIC,
				    .version = LOADER_VERSION,
				    .op = LOADER_XSK,
				    .ifindex = index_of("va"),
				    .xsk = { .queue = queue,
					     .frames = 64,
					     .frame_size = 2048,
					     .rx = 64,
					     .tx = 64,
					     .fill = 64,
					     .comp = 64 } };

	snprintf(q.xsk.name, sizeof(q.xsk.name), "%s", ifname);
	return q;
}

static void test_socket(void **state)
{
	struct loader_request q;
	struct stat memory;
	int domain = 0;
	socklen_t len = sizeof(domain);
	struct reply r;

	(void)state;
	begin();
	q = xsk_request("va", 1);
	r = ask(q);
	assert_string_equal(r.a.why, "");
	assert_int_equal(r.a.error, 0);
	assert_int_equal(r.nfds, 2);
	assert_int_equal(getsockopt(r.fds[LOADER_FD_SOCK], SOL_SOCKET, SO_DOMAIN, &domain, &len),
			 0);
	assert_int_equal(domain, AF_XDP);
	assert_int_equal(fstat(r.fds[LOADER_FD_MEMORY], &memory), 0);
	assert_int_equal(memory.st_size, 64 * 2048);
	if (r.a.value)
		attach_fails(q, EBUSY, "queue 1 of va has an AF_XDP socket already");
	reply_close(&r);
	attach_fails(xsk_request("vb", 1), ENODEV, "vb");
	q.xsk.frames = 63;
	attach_fails(q, EINVAL, "the number of frames is a power of two");
}

/* It keeps what it made until whoever asked hangs up. */
static void test_socket_is_kept(void **state)
{
	struct reply r = { 0 };
	struct loader_request q;
	int pair[2];
	pid_t pid;

	(void)state;
	begin();
	q = xsk_request("va", 1);
	assert_int_equal(fd_socketpair(pair), 0);
	assert_int_equal(fd_send(pair[0], &q, sizeof(q), NULL, 0), sizeof(q));
	pid = fork();
	if (pid == 0)
		program_exec(pair[1], -1);
	close(pair[1]);
	read_reply(pair[0], &r);
	assert_true(r.answered);
	reply_close(&r);
	if (r.a.value)
		attach_fails(q, EBUSY, "has an AF_XDP socket already");
	assert_int_equal(waitpid(pid, &r.status, WNOHANG), 0);
	close(pair[0]);
	assert_int_equal(waitpid(pid, &r.status, 0), pid);
	assert_int_equal(r.status, 0);
}

/* --- by hand ------------------------------------------------------------------------ */

static void test_bad_requests(void **state)
{
	struct loader_request q;
	struct reply r;

	(void)state;
	begin();
	q = single("va");
	r = send_request(&q, sizeof(q) - 1, NULL, NULL);
	assert_false(r.answered);
	assert_int_equal(WEXITSTATUS(r.status), 1);
	q.form = NIC_WANT_AUTO;
	r = send_request(&q, sizeof(q), NULL, NULL);
	assert_false(r.answered);
	assert_int_equal(attached_id("va"), 0);
}

/* Who asked is gone, and nobody would undo it. */
static void test_nobody_listens(void **state)
{
	struct loader_request q;
	int pair[2], status;
	pid_t pid;

	(void)state;
	begin();
	q = single("va");
	assert_int_equal(fd_socketpair(pair), 0);
	assert_int_equal(fd_send(pair[0], &q, sizeof(q), NULL, 0), sizeof(q));
	close(pair[0]);
	pid = fork();
	if (pid == 0)
		program_exec(pair[1], -1);
	close(pair[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(attached_id("va"), 0);
	assert_no_pins();
}

static int by_hand(const char *arguments)
{
	char program[512], command[1024];

	program_path(program);
	snprintf(command, sizeof(command), "%s %s", program, arguments);
	return shell(command);
}

static void test_by_hand(void **state)
{
	(void)state;
	begin();
	assert_int_equal(by_hand("3<&- 2>/dev/null"), 1);
	assert_int_equal(by_hand("3</dev/null 2>&1 | grep -q 'reeved starts this program'"), 0);
	assert_int_equal(by_hand("--probe | grep -qE '^\\{\"xdp\":true,\"link\":true,"
				 "\"freplace\":(true|false),\"pin\":true,\"native\":true,"
				 "\"why\":\\{.*\\}\\}$'"),
			 0);
	assert_int_equal(umount2(BPFFS, MNT_DETACH), 0);
	assert_int_equal(by_hand("--probe | grep -q '\"pin\":false.*\"pin\":\"nothing can be'"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_native),	       cmocka_unit_test(test_modes),
		cmocka_unit_test(test_either),	       cmocka_unit_test(test_large_mtu),
		cmocka_unit_test(test_no_frags),       cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_race),	       cmocka_unit_test(test_bpffs),
		cmocka_unit_test(test_no_memory),      cmocka_unit_test(test_detach_fails),
		cmocka_unit_test(test_predecessor),    cmocka_unit_test(test_killed),
		cmocka_unit_test(test_interface_gone), cmocka_unit_test(test_two),
		cmocka_unit_test(test_channels),       cmocka_unit_test(test_channels_undone),
		cmocka_unit_test(test_owners),	       cmocka_unit_test(test_owner_fails),
		cmocka_unit_test(test_socket),	       cmocka_unit_test(test_socket_is_kept),
		cmocka_unit_test(test_bad_requests),   cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_by_hand),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
