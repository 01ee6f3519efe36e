/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames over a veth pair into a socket made here, received by a process that may
 * nothing: another uid, no capabilities, two descriptors.
 */
#include "mech/xsk.h"
#include "netns.h"
#include "privproto/nic.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

_Static_assert((int)XSK_FRAMES_MAX == (int)PP_XSK_FRAMES_MAX, "what can be asked for can be made");
_Static_assert((int)XSK_RING_MAX == (int)PP_XSK_RING_MAX, "what can be asked for can be made");

enum {
	QUEUES = 2,
	FRAMES = 64,
	FRAME = 2048,
	RING = 32,
	SENT = 16,
	NOBODY = 65534,
	PATIENCE_MS = 10000
};

static struct err e;
static uint32_t va, vb;

static int setup(void **state)
{
	(void)state;
	memset(&e, 0, sizeof(e));
	return 0;
}

static struct xsk_want wanted(void)
{
	return (struct xsk_want){ .ifindex = va,
				  .ifname = "va",
				  .queue = 0,
				  .frames = FRAMES,
				  .frame_size = FRAME,
				  .rx = RING,
				  .tx = RING,
				  .fill = RING,
				  .comp = RING };
}

static void begin(void)
{
	netns_new();
	va = netns_veth("va", "vb", QUEUES);
	vb = if_nametoindex("vb");
	run("ip link set lo up && ip link set va up && ip link set vb up");
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Linux 6.4 */
static bool kernel_maps_late(void)
{
	struct xsk_want w = wanted();
	struct xsk x;
	bool bound;

	w.queue = 1;
	assert_int_equal(xsk_make(&w, &x, &e), 0);
	bound = x.bound;
	close(x.sock);
	close(x.memory);
	return bound;
}

/* --- what the client does, without privileges ---------------------------------------- */

struct client {
	struct xsk x;
	char *memory;
	struct xdp_mmap_offsets off;
	char *rx, *fill, *tx, *comp;
};

static char *map_ring(int sock, off_t at, const struct xdp_ring_offset *off, size_t entry)
{
	void *p = mmap(NULL, off->desc + RING * entry, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, sock, at);

	return p == MAP_FAILED ? NULL : p;
}

static int client_map(struct client *c)
{
	socklen_t len = sizeof(c->off);
	int sock = c->x.sock;

	c->memory = mmap(NULL, FRAMES * FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, c->x.memory, 0);
	if (c->memory == MAP_FAILED)
		return 1;
	if (getsockopt(sock, SOL_XDP, XDP_MMAP_OFFSETS, &c->off, &len) < 0)
		return 2;
	c->rx = map_ring(sock, XDP_PGOFF_RX_RING, &c->off.rx, sizeof(struct xdp_desc));
	c->tx = map_ring(sock, XDP_PGOFF_TX_RING, &c->off.tx, sizeof(struct xdp_desc));
	c->fill = map_ring(sock, XDP_UMEM_PGOFF_FILL_RING, &c->off.fr, sizeof(uint64_t));
	c->comp = map_ring(sock, XDP_UMEM_PGOFF_COMPLETION_RING, &c->off.cr, sizeof(uint64_t));
	return c->rx && c->tx && c->fill && c->comp ? 0 : 3;
}

static void client_fill(struct client *c)
{
	uint64_t *addresses = (void *)(c->fill + c->off.fr.desc);

	for (uint32_t i = 0; i < RING; i++)
		addresses[i] = (uint64_t)i * FRAME;
	__atomic_store_n((uint32_t *)(void *)(c->fill + c->off.fr.producer), RING,
			 __ATOMIC_RELEASE);
}

/*
 * Waits for `n` frames in order, each with its number at the end. What IPv6 sends
 * by itself may come between.
 */
static int client_receive(struct client *c, uint32_t n)
{
	const struct xdp_desc *desc = (void *)(c->rx + c->off.rx.desc);
	uint32_t *producer = (void *)(c->rx + c->off.rx.producer);
	uint32_t seen = 0;

	for (uint32_t i = 0; i < RING && seen < n; i++) {
		struct pollfd p = { .fd = c->x.sock, .events = POLLIN };
		const char *frame;

		while (__atomic_load_n(producer, __ATOMIC_ACQUIRE) <= i)
			if (poll(&p, 1, PATIENCE_MS) != 1)
				return 10;
		frame = c->memory + desc[i].addr;
		if (memcmp(frame + 12, "\x88\xb5", 2) != 0)
			continue;
		if (desc[i].len != 100 || frame[99] != (char)seen++)
			return 11;
	}
	return seen == n ? 0 : 12;
}

/* The interface it is tied to can't be changed, and no other can be bound. */
static int client_break_out(const struct client *c)
{
	struct sockaddr_xdp to = { .sxdp_family = AF_XDP, .sxdp_ifindex = vb };
	struct sockaddr_xdp next = { .sxdp_family = AF_XDP,
				     .sxdp_ifindex = va,
				     .sxdp_queue_id = 1 };
	int other = (int)vb;

	if (setsockopt(c->x.sock, SOL_SOCKET, SO_BINDTODEVICE, "", 0) == 0 || errno != EPERM)
		return 20;
	if (setsockopt(c->x.sock, SOL_SOCKET, SO_BINDTODEVICE, "vb", 2) == 0 || errno != EPERM)
		return 21;
	if (setsockopt(c->x.sock, SOL_SOCKET, SO_BINDTOIFINDEX, &other, sizeof(other)) == 0 ||
	    errno != EPERM)
		return 22;
	if (bind(c->x.sock, (struct sockaddr *)&to, sizeof(to)) == 0)
		return 23;
	if (c->x.bound && bind(c->x.sock, (struct sockaddr *)&next, sizeof(next)) == 0)
		return 24;
	if (ftruncate(c->x.memory, 4096) == 0 || ftruncate(c->x.memory, FRAMES * FRAME * 2) == 0)
		return 25;
	return socket(AF_XDP, SOCK_RAW, 0) >= 0 ? 26 : 0;
}

static int client_bind(const struct client *c)
{
	struct sockaddr_xdp to = { .sxdp_family = AF_XDP, .sxdp_ifindex = va };

	return bind(c->x.sock, (struct sockaddr *)&to, sizeof(to)) < 0 ? 30 : 0;
}

static int drop_privileges(void)
{
	return setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	       setresuid(NOBODY, NOBODY, NOBODY) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0;
}

/* The exit status; one byte on `ready` when frames may come. */
static int client_main(const struct xsk *x, uint32_t n, int ready)
{
	struct client c = { .x = *x };
	int r;

	if (drop_privileges())
		return 40;
	r = client_map(&c);
	if (r == 0)
		r = client_break_out(&c);
	if (r == 0 && !x->bound)
		r = client_bind(&c);
	if (r)
		return r;
	client_fill(&c);
	if (write(ready, "", 1) != 1)
		return 41;
	return client_receive(&c, n);
}

/* --- what is around it ------------------------------------------------------------- */

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* An XSKMAP with the socket in it, and a program that gives it the queue's frames. */
static int redirect_to(int sock, int *ret_map)
{
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_XSKMAP,
			       .key_size = 4,
			       .value_size = 4,
			       .max_entries = QUEUES };
	union bpf_attr put;
	uint32_t key = 0;

	*ret_map = bpf(BPF_MAP_CREATE, &map);
	assert_return_code(*ret_map, errno);
	memset(&put, 0, sizeof(put));
	put.map_fd = (uint32_t)*ret_map;
	put.key = (uintptr_t)&key;
	put.value = (uintptr_t)&sock;
	assert_int_equal(bpf(BPF_MAP_UPDATE_ELEM, &put), 0);

	const struct bpf_insn insns[] = {
		/* r2 = ctx->rx_queue_index */
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 16 },
		/* r1 = map */
		{ .code = BPF_LD | BPF_IMM | BPF_DW,
		  .dst_reg = 1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = *ret_map },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return xdp_load(insns, sizeof(insns) / sizeof(insns[0]));
}

/* Out of vb's one sending queue, so into va's queue 0. */
static void send_frames(uint32_t n)
{
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)vb };
	char frame[100] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, (char)0xb5 };

	assert_return_code(sock, errno);
	for (uint32_t i = 0; i < n; i++) {
		frame[99] = (char)i;
		assert_int_equal(
			sendto(sock, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)),
			sizeof(frame));
	}
	close(sock);
}

/* The whole way: the client is ready, frames are sent, it has seen them. */
static void receive_with(const struct xsk *x)
{
	int ready[2], status, map, prog, link;
	pid_t pid;
	char byte;

	prog = redirect_to(x->sock, &map);
	assert_return_code(prog, errno);
	link = xdp_attach(prog, va, 0);
	assert_return_code(link, errno);
	assert_return_code(pipe2(ready, O_CLOEXEC), errno);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		_exit(client_main(x, SENT, ready[1]));
	close(ready[1]);
	if (read(ready[0], &byte, 1) == 1)
		send_frames(SENT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WIFEXITED(status), 1);
	assert_int_equal(WEXITSTATUS(status), 0);
	close(ready[0]);
	close(link);
	close(prog);
	close(map);
}

static void one_sending_queue(void)
{
	run("ip link del va && ip link add va numrxqueues 2 numtxqueues 2 type veth peer name vb "
	    "numrxqueues 2 numtxqueues 1 && ip link set va up && ip link set vb up");
	va = if_nametoindex("va");
	vb = if_nametoindex("vb");
}

static void test_frames_reach_an_unprivileged_process(void **state)
{
	struct xsk_want w;
	struct xsk x;

	(void)state;
	begin();
	one_sending_queue();
	w = wanted();
	assert_int_equal(xsk_make(&w, &x, &e), 0);
	receive_with(&x);
	close(x.sock);
	close(x.memory);
}

static void test_the_client_binds_it_itself(void **state)
{
	struct xsk_want w;
	struct xsk x;

	(void)state;
	begin();
	one_sending_queue();
	w = wanted();
	w.leave_unbound = true;
	assert_int_equal(xsk_make(&w, &x, &e), 0);
	assert_int_equal(x.bound, false);
	receive_with(&x);
	close(x.sock);
	close(x.memory);
}

static void test_memory(void **state)
{
	struct xsk_want w;
	struct stat st;
	struct xsk x;
	int seals;

	(void)state;
	begin();
	w = wanted();
	assert_int_equal(xsk_make(&w, &x, &e), 0);
	assert_return_code(fstat(x.memory, &st), errno);
	assert_int_equal(st.st_size, FRAMES * FRAME);
	seals = fcntl(x.memory, F_GET_SEALS);
	assert_int_equal(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_WRITE),
			 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(fcntl(x.memory, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(x.sock, F_GETFD), FD_CLOEXEC);
	close(x.sock);
	close(x.memory);
}

/* The kernel wants a completion ring all the same. */
static void test_receive_only(void **state)
{
	struct xsk_want w;
	struct xsk x;

	(void)state;
	begin();
	w = wanted();
	w.tx = w.comp = 0;
	w.frame_size = 4096;
	assert_int_equal(xsk_make(&w, &x, &e), 0);
	close(x.sock);
	close(x.memory);
}

static void test_the_largest(void **state)
{
	struct xsk_want w;
	struct xsk x;

	(void)state;
	begin();
	w = wanted();
	w.frames = XSK_FRAMES_MAX;
	w.frame_size = 4096;
	w.rx = w.tx = w.fill = w.comp = XSK_RING_MAX;
	assert_int_equal(xsk_make(&w, &x, &e), 0);
	close(x.sock);
	close(x.memory);
}

/* What can't be is refused before there is an interface to refuse it. */
static void test_sizes_that_cannot_be(void **state)
{
	const struct {
		size_t field;
		uint32_t value;
	} bad[] = {
		{ offsetof(struct xsk_want, ifindex), 0 },
		{ offsetof(struct xsk_want, ifindex), UINT32_MAX },
		{ offsetof(struct xsk_want, queue), NIC_QUEUES_MAX },
		{ offsetof(struct xsk_want, queue), UINT32_MAX },
		{ offsetof(struct xsk_want, frames), 0 },
		{ offsetof(struct xsk_want, frames), 100 },
		{ offsetof(struct xsk_want, frames), XSK_FRAMES_MAX * 2 },
		{ offsetof(struct xsk_want, frames), 0x80000000 },
		{ offsetof(struct xsk_want, frame_size), 0 },
		{ offsetof(struct xsk_want, frame_size), 1024 },
		{ offsetof(struct xsk_want, frame_size), 3000 },
		{ offsetof(struct xsk_want, frame_size), 8192 },
		{ offsetof(struct xsk_want, frame_size), UINT32_MAX },
		{ offsetof(struct xsk_want, rx), 0 },
		{ offsetof(struct xsk_want, rx), 3 },
		{ offsetof(struct xsk_want, rx), XSK_RING_MAX * 2 },
		{ offsetof(struct xsk_want, fill), 0 },
		{ offsetof(struct xsk_want, fill), UINT32_MAX },
		{ offsetof(struct xsk_want, tx), 0 }, /* and yet a completion ring */
		{ offsetof(struct xsk_want, tx), 5 },
		{ offsetof(struct xsk_want, comp), 0 },
		{ offsetof(struct xsk_want, comp), 0x80000000 },
	};
	struct xsk x = { .sock = 77, .memory = 77 };

	(void)state;
	va = 1;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct xsk_want w = wanted();

		memcpy((char *)&w + bad[i].field, &bad[i].value, sizeof(uint32_t));
		assert_int_equal(xsk_make(&w, &x, &e), -EINVAL);
		assert_int_equal(e.code, EINVAL);
		assert_int_equal(x.sock, 77);
	}
}

static void make_fails(const struct xsk_want *w, int code)
{
	struct xsk x = { .sock = 77, .memory = 77 };
	unsigned before = open_fds();

	assert_int_equal(xsk_make(w, &x, &e), -code);
	assert_int_equal(e.code, code);
	assert_int_equal(x.sock, 77);
	assert_int_equal(open_fds(), before);
}

static void test_no_such_interface(void **state)
{
	struct xsk_want w;

	(void)state;
	begin();
	w = wanted();
	w.ifname = "nothing";
	make_fails(&w, ENODEV);
	w.leave_unbound = true;
	make_fails(&w, ENODEV);
	w.ifname = "vb"; /* the name has moved to another one */
	make_fails(&w, ENODEV);
	w.leave_unbound = false;
	make_fails(&w, ENODEV);
}

static void test_queues_that_cannot_be_had(void **state)
{
	struct xsk_want w;
	struct xsk x;

	(void)state;
	begin();
	if (!kernel_maps_late())
		skip();
	w = wanted();
	w.queue = QUEUES;
	make_fails(&w, EINVAL);
	assert_string_equal(e.text, "va has no queue 2 for an AF_XDP socket");
	w.queue = 0;
	assert_int_equal(xsk_make(&w, &x, &e), 0);
	assert_int_equal(x.bound, true);
	make_fails(&w, EBUSY);
	assert_string_equal(e.text, "queue 0 of va has an AF_XDP socket already");
	close(x.sock);
	close(x.memory);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_frames_reach_an_unprivileged_process),
		TEST(test_the_client_binds_it_itself),
		TEST(test_memory),
		TEST(test_receive_only),
		TEST(test_the_largest),
		TEST(test_sizes_that_cannot_be),
		TEST(test_no_such_interface),
		TEST(test_queues_that_cannot_be_had),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
