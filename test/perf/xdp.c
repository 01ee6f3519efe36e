/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * usage: xdp [ROUNDS [REEVE_BPF]]
 * What a frame costs in the programs that reeve-bpf attaches, beside one that
 * only redirects ("bare"): a JSON line for each, with the median of rounds that
 * take turns. "live" frames end in a real AF_XDP socket; the others show what the
 * program alone costs. The dispatcher is left out where the kernel can't have it.
 * Root; everything happens in namespaces of its own.
 */
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "bpf/layout.h"
#include "mech/bpfmap.h"
#include "privproto/loader.h"

enum {
	REPEAT = 50000, /* short enough for most rounds to pass undisturbed */
	MANY = 10000,
	PORT = 5000,
	OWNER = 1,
	FRAMES = 2048, /* of a live run */
	FRAME_SIZE = 4096,
	ROUNDS_MAX = 1001,
};

struct subject {
	const char *name;
	int prog;
	unsigned ports; /* to which the frames go */
	uint16_t first;
	double ns[ROUNDS_MAX];
	double live[ROUNDS_MAX];
};

static uint8_t frame[64];
static uint32_t va;

/* --- the place -------------------------------------------------------------------- */

static void shell(const char *command)
{
	char *const argv[] = { "sh", "-c", (char *)command, NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execv("/bin/sh", argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		errx(1, "failed: %s", command);
}

static void place(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) < 0)
		err(1, "namespaces of its own");
	shell("ip link add va up type veth peer name vb && ip link set vb up && "
	      "ip link add vc up type veth peer name vd && ip link set vd up");
	va = if_nametoindex("va");
}

/* In the build tree, beside this program. */
static void find_reeve_bpf(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *end;

	path[n > 0 ? n : 0] = '\0';
	end = strstr(path, "/test/perf/");
	if (!end)
		errx(1, "where is reeve-bpf?");
	*end = '\0';
	str_append(path, size, "/daemons/reeve-bpf/reeve-bpf");
}

/* false: the kernel can't. */
static bool attach(const char *program, uint32_t ifindex, uint32_t form, struct loader_answer *ret,
		   int *ret_fds)
{
	struct loader_request q = { .magic = LOADER_MAGIC,
				    .version = LOADER_VERSION,
				    .op = LOADER_ATTACH,
				    .ifindex = ifindex,
				    .form = form,
				    .mode = NIC_MODE_ONLY_NATIVE };
	struct pollfd p = { .events = POLLIN };
	unsigned nfds = 0;
	int pair[2];
	pid_t pid;

	if (fd_socketpair(pair) < 0 || fd_send(pair[0], &q, sizeof(q), NULL, 0) < 0)
		errx(1, "no socket");
	pid = fork();
	if (pid == 0) {
		dup2(pair[1], 3);
		execl(program, program, NULL);
		_exit(127);
	}
	close(pair[1]);
	p.fd = pair[0];
	poll(&p, 1, -1);
	if (fd_recv(pair[0], ret, sizeof(*ret), ret_fds, LOADER_FDS_MAX, &nfds) != sizeof(*ret))
		errx(1, "%s does not answer", program);
	close(pair[0]);
	waitpid(pid, NULL, 0);
	if (ret->error)
		warnx("%s", ret->why);
	return !ret->error;
}

/* --- programs --------------------------------------------------------------------- */

/* return bpf_redirect_map(&xskmap, ctx->rx_queue_index, XDP_PASS) */
static int bare_program(int xskmap)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct xdp_md, rx_queue_index) },
		{ .code = BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = xskmap },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "bare", "GPL", code, ARRAY_SIZE(code), NULL);

	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);

	/* Attached, as the others are, or each run would begin with making it known to the kernel.
	 */
	if (fd < 0 || bpf_link_create(fd, (int)if_nametoindex("vd"), BPF_XDP, &options) < 0)
		err(1, "the bare program");
	return fd;
}

static void set(int map, const void *key, const void *value)
{
	int r = bpfmap_set(map, key, value);

	if (r < 0)
		errx(1, "a map: %s", strerror(-r));
}

static void single_ports(int table, uint64_t bits, uint32_t first, uint32_t n)
{
	struct reeve_port on = { .packets = bits };

	for (uint32_t port = first; port < first + n; port++)
		set(table, &port, &on);
}

static void filter_ports(int filter, uint16_t first, uint16_t n)
{
	struct reeve_count none = { 0 };

	for (uint16_t port = first; port < first + n; port++)
		set(filter, &port, &none);
}

/* Ports from PORT on: MANY, then one of flows. */
static int single_program(const char *program, int xsk)
{
	struct reeve_flow_key flow = { .owner = OWNER, .dst_port = PORT + MANY };
	int fds[LOADER_FDS_MAX], table = bpfmap_new_table(OWNER), xskmap = bpfmap_new_xskmap(OWNER);
	uint32_t queue = 0, owner = OWNER;
	struct loader_answer a;

	if (!attach(program, va, NIC_WANT_SINGLE, &a, fds))
		exit(1);
	set(xskmap, &queue, &xsk);
	single_ports(table, REEVE_PORT_ON, PORT, MANY);
	single_ports(table, REEVE_PORT_ON | REEVE_PORT_FLOWS, PORT + MANY, 1);
	set(fds[LOADER_FD_FLOWS], &flow, &queue);
	set(fds[LOADER_FD_TABLES], &owner, &table);
	set(fds[LOADER_FD_XSKMAPS], &owner, &xskmap);
	set(fds[LOADER_FD_OWNERS], &queue, &owner);
	return bpf_prog_get_fd_by_id(a.prog_id);
}

static int dispatcher_program(const char *program, const char *ifname, int xsk, uint16_t ports)
{
	int fds[LOADER_FDS_MAX];
	struct loader_answer a;
	uint32_t queue = 0;

	if (!attach(program, if_nametoindex(ifname), NIC_WANT_DISPATCHER, &a, fds))
		return -1;
	set(fds[LOADER_FD_XSKMAP], &queue, &xsk);
	filter_ports(fds[LOADER_FD_FILTER], PORT, ports);
	return bpf_prog_get_fd_by_id(a.prog_id);
}

/* --- a socket ---------------------------------------------------------------------- */

struct ring {
	uint32_t *producer, *consumer;
	void *desc;
};

static struct ring fill, rx;

static struct ring ring_map(int fd, const struct xdp_ring_offset *off, size_t entry, off_t at)
{
	uint8_t *p = mmap(NULL, off->desc + FRAMES * entry, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, fd, at);

	if (p == MAP_FAILED)
		err(1, "a ring");
	return (struct ring){ (uint32_t *)(p + off->producer), (uint32_t *)(p + off->consumer),
			      p + off->desc };
}

static int xsk_open(void)
{
	size_t size = (size_t)FRAMES * FRAME_SIZE;
	void *umem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct xdp_umem_reg reg = { .addr = (uintptr_t)umem,
				    .len = size,
				    .chunk_size = FRAME_SIZE };
	struct sockaddr_xdp at = { .sxdp_family = AF_XDP,
				   .sxdp_flags = XDP_COPY,
				   .sxdp_ifindex = va };
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), n = FRAMES;
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);

	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &n, sizeof(n)) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &n, sizeof(n)) < 0 ||
	    setsockopt(fd, SOL_XDP, XDP_RX_RING, &n, sizeof(n)) < 0 ||
	    getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) < 0)
		err(1, "an AF_XDP socket");
	fill = ring_map(fd, &off.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);
	rx = ring_map(fd, &off.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		err(1, "bind");
	return fd;
}

/* Every frame is the kernel's to fill. What came before is forgotten. */
static void xsk_refill(void)
{
	uint64_t *addresses = fill.desc;

	*rx.consumer = __atomic_load_n(rx.producer, __ATOMIC_ACQUIRE);
	while (*fill.producer - __atomic_load_n(fill.consumer, __ATOMIC_ACQUIRE) < FRAMES) {
		addresses[*fill.producer % FRAMES] = (uint64_t)(*fill.producer % FRAMES) *
						     FRAME_SIZE;
		__atomic_store_n(fill.producer, *fill.producer + 1, __ATOMIC_RELEASE);
	}
}

static uint32_t xsk_came(void)
{
	return __atomic_load_n(rx.producer, __ATOMIC_ACQUIRE) - *rx.consumer;
}

/* --- rounds ------------------------------------------------------------------------- */

static void frame_for(uint16_t port)
{
	static const uint8_t udp_over_ipv4[] = {
		[12] = 8, [14] = 0x45, [17] = 50, [22] = 64, [23] = 17, [39] = 30
	};

	memcpy(frame, udp_over_ipv4, sizeof(udp_over_ipv4));
	frame[36] = (uint8_t)(port >> 8);
	frame[37] = (uint8_t)port;
}

/* Of this thread alone, so that others on the CPU do not count. */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static double elapsed(struct bpf_test_run_opts *run, int prog)
{
	uint64_t begun = cpu_ns();

	if (bpf_prog_test_run_opts(prog, run) < 0)
		err(1, "BPF_PROG_TEST_RUN");
	return (double)(cpu_ns() - begun);
}

/* Each round has a port of its own, where there are many. */
static double round_dry(const struct subject *s, unsigned round)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = REPEAT);
	double ns;

	frame_for((uint16_t)(s->first + round * 997 % s->ports));
	ns = elapsed(&run, s->prog);
	if (run.retval != XDP_REDIRECT)
		errx(1, "%s: answer %u is no redirection", s->name, run.retval);
	return ns / REPEAT;
}

static double round_live(const struct subject *s)
{
	struct xdp_md ctx = { .data_end = sizeof(frame), .ingress_ifindex = va };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = FRAMES,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
	double ns;

	frame_for(s->first);
	xsk_refill();
	ns = elapsed(&run, s->prog);
	if (xsk_came() != FRAMES)
		errx(1, "%s: %u of %d frames came", s->name, xsk_came(), FRAMES);
	return ns / FRAMES;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

static void report(struct subject *s, unsigned rounds)
{
	if (s->prog < 0)
		return;
	printf("{\"name\":\"%s\",\"ns\":%.2f,\"rounds\":%u}\n", s->name, median(s->ns, rounds),
	       rounds);
	printf("{\"name\":\"%s live\",\"ns\":%.2f,\"rounds\":%u}\n", s->name,
	       median(s->live, rounds), rounds);
}

static void run_all(struct subject *subjects, unsigned n, unsigned rounds)
{
	for (unsigned r = 0; r < rounds; r++) {
		for (struct subject *s = subjects; s < subjects + n; s++) {
			if (s->prog < 0)
				continue;
			s->ns[r] = round_dry(s, r);
			s->live[r] = round_live(s);
		}
	}
	for (struct subject *s = subjects; s < subjects + n; s++)
		report(s, rounds);
}

int main(int argc, char **argv)
{
	static struct subject subjects[] = {
		{ .name = "bare", .ports = 1, .first = PORT },
		{ .name = "single", .ports = 1, .first = PORT },
		{ .name = "single 10000", .ports = MANY, .first = PORT },
		{ .name = "single flow", .ports = 1, .first = PORT + MANY },
		{ .name = "dispatcher", .ports = 1, .first = PORT },
		{ .name = "dispatcher 10000", .ports = MANY, .first = PORT },
	};
	uint64_t rounds = 41;
	uint32_t queue = 0;
	char path[512];
	int xsk, xskmap;

	if (argc > 3 || (argc > 1 && str_u64(argv[1], ROUNDS_MAX, &rounds) < 0) || !rounds)
		errx(2, "usage: xdp [ROUNDS [REEVE_BPF]]");
	if (argc == 3)
		str_copy(path, sizeof(path), argv[2]);
	else
		find_reeve_bpf(path, sizeof(path));
	place();
	xsk = xsk_open();
	xskmap = bpfmap_new_xskmap(OWNER);
	set(xskmap, &queue, &xsk);
	subjects[0].prog = bare_program(xskmap);
	subjects[1].prog = single_program(path, xsk);
	subjects[2].prog = subjects[3].prog = subjects[1].prog;
	subjects[4].prog = dispatcher_program(path, "vb", xsk, 1);
	subjects[5].prog = subjects[4].prog < 0 ? -1 : dispatcher_program(path, "vc", xsk, MANY);
	run_all(subjects, ARRAY_SIZE(subjects), (unsigned)rounds);
	return 0;
}
