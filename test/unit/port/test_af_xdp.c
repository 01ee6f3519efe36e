/* SPDX-License-Identifier: BSD-3-Clause */
/* Two ports at the ends of a veth pair, in a network namespace of the test's own. */
#include "mech/xsk.h"
#include "port/af_xdp.h"

#include "../mech/netns.h"

#include <dirent.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <time.h>

enum {
	FRAMES = 256,
	RING = 128, /* so 128 frames each way */
	LARGEST = PORT_ETHER_HEADER + PORT_MTU_MAX,
	PATIENCE_MS = 10000,
	GENERIC = 1 << 1, /* XDP_FLAGS_SKB_MODE */
};

static struct err e;
static uint32_t va, vb;

/* --- what the tests run on ---------------------------------------------------- */

static void begin(unsigned mtu)
{
	memset(&e, 0, sizeof(e));
	netns_new();
	va = netns_veth("va", "vb", 1);
	vb = if_nametoindex("vb");
	run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
	run("ip link set va mtu %u up && ip link set vb mtu %u up", mtu, mtu);
}

struct end {
	struct port *port;
	int map, prog, link;
};

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* Every frame of queue 0 is the port's. */
static void bring_all(struct end *end, uint32_t ifindex)
{
	union bpf_attr map = {
		.map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	union bpf_attr put;
	uint32_t key = 0;

	end->map = bpf(BPF_MAP_CREATE, &map);
	assert_return_code(end->map, errno);
	memset(&put, 0, sizeof(put));
	put.map_fd = (uint32_t)end->map;
	put.key = (uintptr_t)&key;
	put.value = (uintptr_t)&end->port->wait_fd;
	assert_int_equal(bpf(BPF_MAP_UPDATE_ELEM, &put), 0);

	const struct bpf_insn insns[] = {
		/* r2 = ctx->rx_queue_index */
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 16 },
		/* r1 = map */
		{ .code = BPF_LD | BPF_IMM | BPF_DW,
		  .dst_reg = 1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = end->map },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	end->prog = xdp_load(insns, sizeof(insns) / sizeof(insns[0]));
	assert_return_code(end->prog, errno);
	end->link = xdp_attach(end->prog, ifindex, GENERIC);
	assert_return_code(end->link, errno);
}

static struct af_xdp_want wanted(const char *name)
{
	struct af_xdp_want w = AF_XDP_WANT(name, 0);

	w.frames = FRAMES;
	w.ring = RING;
	return w;
}

static struct port *port_open(const struct af_xdp_want *w)
{
	struct port *p = NULL;

	if (af_xdp_open(w, &p, &e) < 0)
		fail_msg("%s", e.text);
	return p;
}

static struct end end_open(const char *name)
{
	const struct af_xdp_want w = wanted(name);
	struct end end = { .port = port_open(&w) };

	bring_all(&end, if_nametoindex(name));
	return end;
}

static void end_close(struct end *end)
{
	close(end->link);
	close(end->prog);
	close(end->map);
	port_close(end->port);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A frame of a kind that nobody else sends, each byte of it by its number. */
static void write_frame(uint8_t *to, uint32_t len, uint32_t number)
{
	memcpy(to, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5", 14);
	for (uint32_t i = 14; i < len; i++)
		to[i] = (uint8_t)(number + i);
}

static bool send_one(struct port *p, uint32_t len, uint32_t number)
{
	uint8_t *room = port_tx_room(p);

	if (!room)
		return false;
	assert_ptr_equal(port_tx_room(p), room);
	write_frame(room, len, number);
	port_tx(p, len);
	return true;
}

static bool is_ours(const struct frame *f)
{
	return f->len >= 14 && memcmp(f->data + 12, "\x88\xb5", 2) == 0;
}

static void check_frame(const struct frame *f, uint32_t len, uint32_t number)
{
	uint8_t want[LARGEST];

	assert_int_equal(f->len, len);
	write_frame(want, len, number);
	assert_memory_equal(f->data, want, len);
	memset(f->data, 0xee, f->len); /* may be written to */
}

/* `n` frames of that length, numbered from `first`. */
static void expect(struct port *p, uint32_t n, uint32_t len, uint32_t first)
{
	const uint64_t until = now_ms() + PATIENCE_MS;
	struct frame got[PORT_BURST];

	for (uint32_t seen = 0; seen < n;) {
		unsigned m = port_rx(p, got, PORT_BURST);

		for (unsigned i = 0; i < m; i++)
			if (is_ours(&got[i]))
				check_frame(&got[i], len, first + seen++);
		assert_true(now_ms() < until);
	}
}

static unsigned count(const char *path)
{
	FILE *f = fopen(path, "re");
	unsigned n = 0;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, "reeve-xsk") || strstr(line, "[xdp]") ||
		     strstr(line, "socket:") != NULL;
	fclose(f);
	return n;
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

/* --- frames --------------------------------------------------------------------- */

static void test_what_a_port_tells(void **state)
{
	uint8_t mac[6] = { 0x02, 0xab, 0xcd, 0, 1, 2 };
	struct af_xdp_stats stats;
	struct end a;

	(void)state;
	begin(1500);
	run("ip link set va address 02:ab:cd:00:01:02");
	a = end_open("va");
	assert_memory_equal(a.port->mac, mac, 6);
	assert_int_equal(a.port->mtu, 1500);
	assert_true(a.port->partial_sums);
	assert_true(a.port->wait_fd >= 0);
	af_xdp_stats(a.port, &stats);
	assert_false(stats.zero_copy);
	assert_false(stats.gone);
	assert_int_equal(stats.tx_down + stats.rx_dropped + stats.rx_ring_full, 0);
	end_close(&a);
}

static void test_bursts_both_ways(void **state)
{
	enum { ROUNDS = 200 };
	struct end a, b;

	(void)state;
	begin(1500);
	a = end_open("va");
	b = end_open("vb");
	for (uint32_t round = 0; round < ROUNDS; round++) {
		/* The reader still has the last burst of the round before. */
		const uint32_t n = 1 + round % (RING - PORT_BURST);

		for (uint32_t i = 0; i < n; i++) {
			assert_true(send_one(a.port, 64, i));
			assert_true(send_one(b.port, 100, 7 * i));
		}
		port_flush(a.port);
		port_flush(b.port);
		expect(b.port, n, 64, 0);
		for (uint32_t i = 0; i < n; i++) {
			struct frame got;
			const uint64_t until = now_ms() + PATIENCE_MS;

			while (!port_rx(a.port, &got, 1) || !is_ours(&got))
				assert_true(now_ms() < until);
			check_frame(&got, 100, 7 * i);
		}
	}
	assert_int_equal(a.port->stats.tx_full, 0);
	assert_int_equal(a.port->stats.tx_bytes, a.port->stats.tx_frames * 64);
	assert_true(b.port->stats.rx_frames >= a.port->stats.tx_frames);
	end_close(&a);
	end_close(&b);
}

static void check_lengths(uint32_t most, uint32_t step)
{
	struct end a = end_open("va"), b = end_open("vb");

	for (uint32_t len = PORT_ETHER_HEADER; len <= most; len += step) {
		assert_true(send_one(a.port, len, len));
		port_flush(a.port);
		expect(b.port, 1, len, len);
	}
	assert_true(send_one(b.port, most, 3));
	port_flush(b.port);
	expect(a.port, 1, most, 3);
	end_close(&a);
	end_close(&b);
}

static void test_every_length(void **state)
{
	(void)state;
	begin(1500);
	check_lengths(1514, 1);
}

static void test_a_large_mtu(void **state)
{
	struct end a;

	(void)state;
	begin(PORT_MTU_MAX);
	a = end_open("va");
	assert_int_equal(a.port->mtu, PORT_MTU_MAX);
	end_close(&a);
	check_lengths(LARGEST, 1);
}

/* What the caller has is not written over before its next call, however much comes and goes. */
static void test_frames_stay_until_the_next_call(void **state)
{
	struct frame got[PORT_BURST];
	struct end a, b;
	unsigned n = 0;

	(void)state;
	begin(1500);
	a = end_open("va");
	b = end_open("vb");
	for (uint32_t i = 0; i < PORT_BURST; i++)
		send_one(a.port, 1000, i);
	port_flush(a.port);
	while (!n)
		n = port_rx(b.port, got, PORT_BURST);
	for (uint32_t i = 0; i < 4 * RING; i++)
		assert_true(send_one(a.port, 1000, 3000 + i));
	port_flush(a.port);
	for (uint32_t i = 0; i < RING; i++)
		assert_true(send_one(b.port, 1000, 5000 + i));
	for (unsigned i = 0; i < n; i++)
		check_frame(&got[i], 1000, i);
	end_close(&a);
	end_close(&b);
}

/* More comes than there are frames: the rest is lost, and then it goes on. */
static void test_a_slow_reader(void **state)
{
	struct frame got[PORT_BURST];
	struct end a, b;
	unsigned n = 0, m;

	(void)state;
	begin(1500);
	a = end_open("va");
	b = end_open("vb");
	for (int round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 3 * RING; i++)
			assert_true(send_one(a.port, 64, i));
		port_flush(a.port);
		for (n = 0; (m = port_rx(b.port, got, PORT_BURST)); n += m)
			if (n == 0)
				check_frame(&got[0], 64, 0);
		assert_int_equal(n, RING);
	}
	send_one(a.port, 64, 5);
	port_flush(a.port);
	expect(b.port, 1, 64, 5);
	end_close(&a);
	end_close(&b);
}

static void test_waits_with_poll(void **state)
{
	struct pollfd p = { .events = POLLIN };
	struct end a, b;

	(void)state;
	begin(1500);
	a = end_open("va");
	b = end_open("vb");
	p.fd = b.port->wait_fd;
	assert_int_equal(poll(&p, 1, 0), 0);
	send_one(a.port, 64, 1);
	port_flush(a.port);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(p.revents, POLLIN);
	expect(b.port, 1, 64, 1);
	end_close(&a);
	end_close(&b);
}

/* --- to the brim ------------------------------------------------------------------ */

/* More than the ring, without a flush but the last: nothing is lost, nothing refused. */
static void test_more_than_the_ring(void **state)
{
	struct end a, b;

	(void)state;
	begin(1500);
	a = end_open("va");
	b = end_open("vb");
	for (uint32_t i = 0; i < RING; i++)
		assert_true(send_one(a.port, 64, i));
	assert_int_equal(a.port->stats.tx_full, 0);
	expect(b.port, 0, 64, 0);
	assert_true(send_one(a.port, 64, RING)); /* makes room first */
	port_flush(a.port);
	expect(b.port, RING, 64, 0);
	end_close(&a);
	end_close(&b);
}

/* A lower device that lets one frame pass, and keeps what it can't send. */
static struct port *open_stuck(void)
{
	struct af_xdp_want w;

	if (system("ip link add m0 link va type macvlan 2>/dev/null && "
		   "tc qdisc add dev va root tbf rate 8bit burst 2000 limit 10000000 2>/dev/null") !=
	    0) {
		print_message("no macvlan, or no tbf\n");
		skip();
	}
	run("ip link set m0 up");
	w = wanted("m0");
	return port_open(&w);
}

static void test_no_room(void **state)
{
	struct port *p;
	unsigned n = 0;

	(void)state;
	begin(1500);
	p = open_stuck();
	while (n < 10 * RING && send_one(p, 1000, n))
		n++;
	assert_in_range(n, RING, 2 * RING);
	assert_int_equal(p->stats.tx_full, 1);
	for (int i = 0; i < 100; i++) {
		port_flush(p);
		assert_null(port_tx_room(p));
	}
	assert_int_equal(p->stats.tx_full, 101);
	/* What was kept is dropped, so it comes back. */
	run("tc qdisc del dev va root");
	for (uint32_t i = 0; i < 3 * RING; i++)
		assert_true(send_one(p, 1000, i));
	port_close(p);
}

/* The kernel took some of them at the flush; port_rx() has it take the others later. */
static void test_what_is_left_goes_later(void **state)
{
	const uint64_t until = now_ms() + PATIENCE_MS;
	struct frame got[PORT_BURST];
	const int few = 1;
	struct port *p;
	bool last = false;
	struct end b;

	(void)state;
	begin(1500);
	b = end_open("vb");
	p = open_stuck();
	assert_int_equal(setsockopt(p->wait_fd, SOL_SOCKET, SO_SNDBUF, &few, sizeof(few)), 0);
	for (uint32_t i = 0; i < RING; i++)
		assert_true(send_one(p, 1000, i));
	port_flush(p);
	run("tc qdisc del dev va root");
	while (!last) {
		unsigned n;

		port_rx(p, got, PORT_BURST);
		n = port_rx(b.port, got, PORT_BURST);
		for (unsigned i = 0; i < n; i++)
			last |= is_ours(&got[i]) && got[i].data[14] == (uint8_t)(RING - 1 + 14);
		assert_true(now_ms() < until);
	}
	port_close(p);
	end_close(&b);
}

/* --- interfaces that change ---------------------------------------------------------- */

static void test_the_interface_goes(void **state)
{
	struct af_xdp_stats stats;
	struct frame got[PORT_BURST];
	struct end a, b;

	(void)state;
	begin(1500);
	a = end_open("va");
	b = end_open("vb");
	for (uint32_t i = 0; i < PORT_BURST; i++)
		send_one(a.port, 64, i);
	port_flush(a.port);
	assert_true(port_rx(b.port, got, 4) > 0);
	send_one(a.port, 64, 0);
	assert_non_null(port_tx_room(a.port));
	run("ip link del va");
	for (uint32_t i = 0; i < 10 * RING; i++) {
		assert_true(send_one(a.port, 64, i));
		assert_true(send_one(b.port, 1514, i));
		if (i % 7 == 0) {
			port_flush(a.port);
			port_flush(b.port);
			assert_int_equal(port_rx(a.port, got, PORT_BURST), 0);
		}
	}
	while (port_rx(b.port, got, PORT_BURST))
		;
	af_xdp_stats(a.port, &stats);
	assert_true(stats.gone);
	assert_true(stats.tx_down > 8 * RING);
	end_close(&a);
	end_close(&b);
}

/* Who only listens asks. */
static void test_the_interface_goes_unnoticed(void **state)
{
	struct af_xdp_stats stats;
	struct end b;

	(void)state;
	begin(1500);
	b = end_open("vb");
	run("ip link set vb down");
	af_xdp_stats(b.port, &stats);
	assert_false(stats.gone);
	run("ip link del vb");
	for (int i = 0; i < 2; i++) {
		af_xdp_stats(b.port, &stats);
		assert_true(stats.gone);
	}
	assert_true(send_one(b.port, 64, 1));
	port_flush(b.port);
	end_close(&b);
}

static void test_the_interface_is_down_for_a_while(void **state)
{
	struct af_xdp_stats stats;
	struct frame got[PORT_BURST];
	struct end a, b;

	(void)state;
	begin(1500);
	a = end_open("va");
	b = end_open("vb");
	run("ip link set va down");
	for (uint32_t i = 0; i < 10 * RING; i++) {
		assert_true(send_one(a.port, 64, i));
		port_flush(a.port);
	}
	af_xdp_stats(a.port, &stats);
	assert_false(stats.gone);
	assert_true(stats.tx_down > 8 * RING);
	run("ip link set va up");
	port_flush(a.port);
	while (port_rx(b.port, got, PORT_BURST))
		;
	for (uint32_t i = 0; i < RING; i++)
		assert_true(send_one(a.port, 64, i));
	port_flush(a.port);
	expect(b.port, RING, 64, 0);
	end_close(&a);
	end_close(&b);
}

/* --- opening and closing --------------------------------------------------------------- */

static void refused(const struct af_xdp_want *w, int code, const char *sentence)
{
	unsigned fds = open_fds(), maps = count("/proc/self/maps");
	struct port *p = (struct port *)&e;

	assert_int_equal(af_xdp_open(w, &p, &e), -code);
	assert_int_equal(e.code, code);
	assert_string_equal(e.text, sentence);
	assert_ptr_equal(p, &e);
	assert_int_equal(open_fds(), fds);
	assert_int_equal(count("/proc/self/maps"), maps);
}

static void test_refusals(void **state)
{
	struct af_xdp_want w;
	struct port *p;

	(void)state;
	begin(1500);
	w = wanted("nothing");
	refused(&w, ENODEV, "there is no interface \"nothing\"");
	w = wanted("a-name-that-is-far-too-long");
	refused(&w, ENODEV, "there is no interface \"a-name-that-is-far-too-long\"");
	w = wanted("lo");
	refused(&w, EINVAL, "lo is no Ethernet interface");
	w = wanted("va");
	w.queue = 1;
	refused(&w, EINVAL, "va has no queue 1 for an AF_XDP socket");
	w = wanted("va");
	w.frames = 100;
	refused(&w, EINVAL, "frames and entries of rings are powers of two");
	w = wanted("va");
	w.frame_size = 1024;
	refused(&w, EINVAL, "frames have 2048 or 4096 bytes, not 1024");
	w = wanted("va");
	p = port_open(&w);
	refused(&w, EBUSY, "queue 0 of va has an AF_XDP socket already");
	port_close(p);
}

static void test_mtus(void **state)
{
	struct af_xdp_want w;
	struct port *p;

	(void)state;
	begin(1500);
	w = wanted("va");
	run("ip link set va mtu 500");
	refused(&w, EINVAL, "the MTU of va is 500, and less than 576");
	run("ip link set va mtu 9000");
	p = port_open(&w);
	assert_int_equal(p->mtu, PORT_MTU_MAX);
	port_close(p);
	run("ip link set va mtu 1779");
	w.frame_size = 2048;
	refused(&w, EINVAL, "the MTU of va is 1779: too much for frames of 2048 bytes");
	run("ip link set va mtu 1778");
	p = port_open(&w);
	port_close(p);
}

static void test_close_releases_everything(void **state)
{
	unsigned fds, maps;
	struct af_xdp_want w;

	(void)state;
	begin(1500);
	w = wanted("va");
	port_close(port_open(&w));
	fds = open_fds();
	maps = count("/proc/self/maps");
	for (int i = 0; i < 20; i++) {
		struct port *p = port_open(&w);

		send_one(p, 64, 1);
		assert_true(count("/proc/self/maps") > maps);
		port_close(p);
		assert_int_equal(open_fds(), fds);
		assert_int_equal(count("/proc/self/maps"), maps);
	}
}

/* As reeved gives them: bound, or before Linux 6.4 not yet. */
static void with_a_given_socket(bool unbound)
{
	struct af_xdp_want w = wanted("va");
	const struct xsk_want q = { .ifindex = va,
				    .ifname = "va",
				    .frames = FRAMES,
				    .frame_size = 2048,
				    .rx = RING,
				    .tx = RING,
				    .fill = RING,
				    .comp = RING,
				    .leave_unbound = unbound };
	struct end a, b = end_open("vb");
	struct xsk s;

	assert_int_equal(xsk_make(&q, &s, &e), 0);
	w.sock = s.sock;
	w.memory = s.memory;
	w.frame_size = q.frame_size;
	w.bound = s.bound;
	/* They stay the caller's when they don't fit. */
	w.frames = 2 * FRAMES;
	refused(&w, EINVAL, "the frames' memory is too small");
	w.frames = FRAMES;
	a.port = port_open(&w);
	assert_int_equal(a.port->wait_fd, s.sock);
	bring_all(&a, va);
	send_one(a.port, 64, 1);
	send_one(b.port, 64, 2);
	port_flush(a.port);
	port_flush(b.port);
	expect(b.port, 1, 64, 1);
	expect(a.port, 1, 64, 2);
	end_close(&a);
	end_close(&b);
}

static void test_a_socket_that_is_given(void **state)
{
	(void)state;
	begin(1500);
	with_a_given_socket(false);
}

static void test_a_socket_that_is_given_unbound(void **state)
{
	(void)state;
	begin(1500);
	with_a_given_socket(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_port_tells),
		cmocka_unit_test(test_bursts_both_ways),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_a_large_mtu),
		cmocka_unit_test(test_frames_stay_until_the_next_call),
		cmocka_unit_test(test_a_slow_reader),
		cmocka_unit_test(test_waits_with_poll),
		cmocka_unit_test(test_more_than_the_ring),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_what_is_left_goes_later),
		cmocka_unit_test(test_the_interface_goes),
		cmocka_unit_test(test_the_interface_goes_unnoticed),
		cmocka_unit_test(test_the_interface_is_down_for_a_while),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_mtus),
		cmocka_unit_test(test_close_releases_everything),
		cmocka_unit_test(test_a_socket_that_is_given),
		cmocka_unit_test(test_a_socket_that_is_given_unbound),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
