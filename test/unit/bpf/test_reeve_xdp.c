/* SPDX-License-Identifier: BSD-3-Clause */
/* The single form, with two owners on the queues of an interface made for it. */
#include "frame.h"

#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_xdp.h>

#include "bpf/layout.h"
#include "reeve_xdp.skel.h"

enum { QUEUES = 4, OWNER = 7, OTHER = REEVE_SLOTS - 1, UMEM = 4 * 4096 };

struct owner {
	int table, xskmap;
};

static struct reeve_xdp *skel;
static int prog;
static uint32_t ifindex;
static struct owner owner, other;
static void *umem;

static void need_root(void)
{
	if (!skel)
		skip();
}

/* --- what the tests run on ---------------------------------------------------- */

static int make_veth(void)
{
	char *const argv[] = { "ip",	      "link", "add",	     "va",   "up",   "numrxqueues",
			       "4",	      "type", "veth",	     "peer", "name", "vb",
			       "numrxqueues", "4",    "numtxqueues", "4",    NULL };
	char *const no_environment[] = { NULL };
	int status;
	pid_t pid;

	if (posix_spawn(&pid, "/sbin/ip", NULL, NULL, argv, no_environment) != 0)
		return -1;
	if (waitpid(pid, &status, 0) != pid || status != 0)
		return -1;
	ifindex = if_nametoindex("va");
	return ifindex ? 0 : -1;
}

static int map(uint32_t type, uint32_t value, uint32_t entries)
{
	int fd = bpf_map_create(type, "test", sizeof(uint32_t), value, entries, NULL);

	assert_true(fd >= 0);
	return fd;
}

static int setup(void **state)
{
	(void)state;
	libbpf_set_print(NULL);
	skel = reeve_xdp__open_and_load();
	if (!skel)
		return errno == EPERM ? 0 : -1;
	prog = bpf_program__fd(skel->progs.reeve_xdp);
	umem = mmap(NULL, UMEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (umem == MAP_FAILED || unshare(CLONE_NEWNET) < 0)
		return -1;
	return make_veth();
}

static int teardown(void **state)
{
	(void)state;
	if (skel)
		munmap(umem, UMEM);
	reeve_xdp__destroy(skel);
	return 0;
}

static void set(int fd, uint32_t key, uint32_t value)
{
	assert_int_equal(bpf_map_update_elem(fd, &key, &value, BPF_ANY), 0);
}

static void del(int fd, uint32_t key)
{
	assert_int_equal(bpf_map_delete_elem(fd, &key), 0);
}

static void port_set(const struct owner *o, uint32_t port, uint64_t bits)
{
	struct reeve_port value = { .packets = bits };

	assert_int_equal(bpf_map_update_elem(o->table, &port, &value, BPF_ANY), 0);
}

static struct reeve_port port_get(const struct owner *o, uint32_t port)
{
	struct reeve_port value;

	assert_int_equal(bpf_map_lookup_elem(o->table, &port, &value), 0);
	return value;
}

static struct owner owner_new(void)
{
	return (struct owner){
		.table = map(BPF_MAP_TYPE_ARRAY, sizeof(struct reeve_port), REEVE_PORTS),
		.xskmap = map(BPF_MAP_TYPE_XSKMAP, sizeof(uint32_t), REEVE_QUEUES),
	};
}

static void slot_give(const struct owner *o, uint32_t slot)
{
	set(bpf_map__fd(skel->maps.tables), slot, (uint32_t)o->table);
	set(bpf_map__fd(skel->maps.xskmaps), slot, (uint32_t)o->xskmap);
}

static void queue_give(uint32_t slot, uint32_t queue)
{
	set(bpf_map__fd(skel->maps.owners), queue, slot);
}

/* A socket of one queue of the interface; of none, and of queue 0 then, where `bound` is not. */
static int xsk(bool bound, uint32_t queue)
{
	struct xdp_umem_reg reg = { .addr = (uintptr_t)umem, .len = UMEM, .chunk_size = 4096 };
	struct sockaddr_xdp at = { .sxdp_family = AF_XDP,
				   .sxdp_flags = XDP_COPY,
				   .sxdp_ifindex = ifindex,
				   .sxdp_queue_id = queue };
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), n = 4;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)), 0);
	assert_int_equal(setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &n, sizeof(n)), 0);
	assert_int_equal(setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &n, sizeof(n)), 0);
	assert_int_equal(setsockopt(fd, SOL_XDP, XDP_RX_RING, &n, sizeof(n)), 0);
	if (bound)
		assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Two owners: queues 0 and 1, queue 2; nobody has queue 3. Each waits for one port. */
static int begin(void **state)
{
	(void)state;
	if (!skel)
		return 0;
	owner = owner_new();
	other = owner_new();
	slot_give(&owner, OWNER);
	slot_give(&other, OTHER);
	queue_give(OWNER, 0);
	queue_give(OWNER, 1);
	queue_give(OTHER, 2);
	port_set(&owner, FRAME_PORT, REEVE_PORT_ON);
	port_set(&other, FRAME_PORT, REEVE_PORT_ON);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (!skel)
		return 0;
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		queue_give(0, queue);
	close(owner.table);
	close(other.table);
	close(owner.xskmap);
	close(other.xskmap);
	return 0;
}

static uint32_t on_queue(uint32_t queue, struct shape s)
{
	struct frame f = frame_make(s);

	return run_cut(prog, &f, f.len, ifindex, queue);
}

/* --- which frames -------------------------------------------------------------- */

static void test_matrix(void **state)
{
	int sock;

	(void)state;
	need_root();
	sock = xsk(false, 0);
	set(owner.xskmap, 0, (uint32_t)sock);
	check_taken(prog, XDP_REDIRECT);
	check_left(prog);
	check_cut(prog, XDP_REDIRECT);
	check_lies(prog, XDP_REDIRECT);
	close(sock);
}

static void test_ports(void **state)
{
	int sock;

	(void)state;
	need_root();
	sock = xsk(false, 0);
	set(owner.xskmap, 0, (uint32_t)sock);
	assert_int_equal(on_queue(0, (struct shape){ .to = FRAME_PORT + 1 }), XDP_PASS);
	assert_int_equal(on_queue(0, (struct shape){ .from = FRAME_PORT, .to = 1 }), XDP_PASS);
	port_set(&owner, FRAME_PORT, 5);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_PASS);
	assert_int_equal(port_get(&owner, FRAME_PORT).packets, 5);
	for (uint32_t port = 0; port < REEVE_PORTS; port++)
		port_set(&owner, port, REEVE_PORT_ON);
	for (uint32_t port = 1; port < REEVE_PORTS; port += 251)
		assert_int_equal(on_queue(0, (struct shape){ .to = (uint16_t)port }), XDP_REDIRECT);
	close(sock);
}

static void test_queues(void **state)
{
	int socks[QUEUES];

	(void)state;
	need_root();
	for (uint32_t queue = 0; queue < QUEUES; queue++) {
		socks[queue] = xsk(true, queue);
		set(owner.xskmap, queue, (uint32_t)socks[queue]);
		set(other.xskmap, queue, (uint32_t)socks[queue]);
	}
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_REDIRECT);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_REDIRECT);
	assert_int_equal(on_queue(2, (struct shape){ 0 }), XDP_REDIRECT);
	assert_int_equal(on_queue(3, (struct shape){ 0 }), XDP_PASS);
	/* An empty place. */
	del(owner.xskmap, 1);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_PASS);
	/* A port of the other's queues only. */
	port_set(&owner, FRAME_PORT, 0);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_PASS);
	assert_int_equal(on_queue(2, (struct shape){ 0 }), XDP_REDIRECT);
	/* A queue given back, to somebody else, and to one whose slot is empty or not there. */
	queue_give(0, 2);
	assert_int_equal(on_queue(2, (struct shape){ 0 }), XDP_PASS);
	queue_give(OTHER, 1);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_REDIRECT);
	queue_give(OTHER - 1, 1);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_PASS);
	queue_give(REEVE_SLOTS, 1);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_PASS);
	for (uint32_t queue = 0; queue < QUEUES; queue++)
		close(socks[queue]);
}

/* The last user's ports and sockets are the next one's in nothing, at any step of the change. */
static void test_slots(void **state)
{
	struct owner next;
	int of0, of1;

	(void)state;
	need_root();
	next = owner_new();
	of0 = xsk(true, 0);
	of1 = xsk(true, 1);
	set(owner.xskmap, 0, (uint32_t)of0);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_REDIRECT);
	queue_give(0, 0);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_PASS);
	set(bpf_map__fd(skel->maps.tables), OWNER, (uint32_t)next.table);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_PASS);
	set(bpf_map__fd(skel->maps.xskmaps), OWNER, (uint32_t)next.xskmap);
	queue_give(OWNER, 0);
	port_set(&next, FRAME_PORT, REEVE_PORT_ON);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_PASS);
	/* Who had the slot may have its map still: what is put there is for nobody. */
	set(owner.xskmap, 1, (uint32_t)of1);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_PASS);
	set(next.xskmap, 0, (uint32_t)of0);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_REDIRECT);
	close(of0);
	close(of1);
	close(next.table);
	close(next.xskmap);
}

static void test_counts(void **state)
{
	struct frame small = frame_make((struct shape){ 0 });
	struct frame large = frame_make((struct shape){ .ipv6 = true, .vlans = 2 });
	struct reeve_port got;

	(void)state;
	need_root();
	for (unsigned i = 0; i < 3; i++)
		run_cut(prog, &small, small.len, ifindex, i & 1);
	run_cut(prog, &large, large.len, ifindex, 1);
	run_cut(prog, &large, large.len, ifindex, 2);
	on_queue(0, (struct shape){ .fragment = FRAGMENT_FIRST });
	on_queue(0, (struct shape){ .to = 1 });
	on_queue(3, (struct shape){ 0 });
	got = port_get(&owner, FRAME_PORT);
	assert_int_equal(got.packets, REEVE_PORT_ON | 4);
	assert_int_equal(got.bytes, 3 * small.len + large.len);
	got = port_get(&other, FRAME_PORT);
	assert_int_equal(got.packets & REEVE_PORT_COUNT, 1);
	assert_int_equal(got.bytes, large.len);
	assert_int_equal(port_get(&owner, 1).packets, 0);
}

/* --- flows ---------------------------------------------------------------------- */

static void key_addresses(struct reeve_flow_key *key, uint8_t src, uint8_t dst)
{
	const uint8_t v4[2][4] = { { 0x0a, 0, 0, src }, { 0x0a, 1, 0, dst } };

	if (!key->ipv6) {
		memcpy(key->src, v4[0], src ? 4 : 0);
		memcpy(key->dst, v4[1], dst ? 4 : 0);
		return;
	}
	memset(key->src, src ? 0xfd : 0, 15);
	memset(key->dst, dst ? 0xfd : 0, 15);
	key->src[15] = src;
	key->dst[15] = dst;
}

/* 0: any. */
static struct reeve_flow_key flow_key(bool ipv6, uint8_t src, uint16_t src_port, uint8_t dst)
{
	struct reeve_flow_key key = {
		.owner = OWNER, .dst_port = FRAME_PORT, .src_port = src_port, .ipv6 = ipv6
	};

	key_addresses(&key, src, dst);
	return key;
}

static void flow_set(const struct reeve_flow_key *key, uint32_t place)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.flows), key, &place, BPF_ANY),
			 0);
}

static void flow_del(const struct reeve_flow_key *key)
{
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(skel->maps.flows), key), 0);
}

/* Frames of one flow only: with each member that a flow leaves open. */
static void check_flows(bool ipv6)
{
	const struct {
		uint8_t src;
		uint16_t src_port;
		uint8_t dst;
	} open[] = {
		{ 1, FRAME_FROM, 2 },
		{ 1, 0, 2 },
		{ 0, 0, 2 },
		{ 0, 0, 0 },
	};
	const struct shape same = { .ipv6 = ipv6, .src = 1, .dst = 2 };
	struct shape changed;

	for (unsigned i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		struct reeve_flow_key key = flow_key(ipv6, open[i].src, open[i].src_port,
						     open[i].dst);

		assert_int_equal(on_queue(0, same), XDP_PASS);
		flow_set(&key, 0);
		assert_int_equal(on_queue(0, same), XDP_REDIRECT);
		assert_int_equal(on_queue(1, same), XDP_REDIRECT);
		/* Another owner's frames of the same flow, and the other kind of address. */
		assert_int_equal(on_queue(2, same), XDP_PASS);
		changed = same;
		changed.ipv6 = !ipv6;
		assert_int_equal(on_queue(0, changed), XDP_PASS);
		changed = same;
		changed.src = 9;
		assert_int_equal(on_queue(0, changed), open[i].src ? XDP_PASS : XDP_REDIRECT);
		changed = same;
		changed.from = 9;
		assert_int_equal(on_queue(0, changed), open[i].src_port ? XDP_PASS : XDP_REDIRECT);
		changed = same;
		changed.dst = 9;
		assert_int_equal(on_queue(0, changed), open[i].dst ? XDP_PASS : XDP_REDIRECT);
		flow_del(&key);
	}
}

static void test_flows(void **state)
{
	int socks[3];

	(void)state;
	need_root();
	for (uint32_t queue = 0; queue < 3; queue++) {
		socks[queue] = xsk(true, queue);
		set(owner.xskmap, queue, (uint32_t)socks[queue]);
		set(other.xskmap, queue, (uint32_t)socks[queue]);
	}
	port_set(&owner, FRAME_PORT, REEVE_PORT_ON | REEVE_PORT_FLOWS);
	port_set(&other, FRAME_PORT, REEVE_PORT_ON | REEVE_PORT_FLOWS);
	check_flows(false);
	check_flows(true);
	for (uint32_t queue = 0; queue < 3; queue++)
		close(socks[queue]);
}

static void test_flow_counts(void **state)
{
	struct reeve_flow_key key = flow_key(false, 0, 0, 2);
	struct frame f = frame_make((struct shape){ .dst = 2 });
	struct reeve_port got;

	(void)state;
	need_root();
	port_set(&owner, FRAME_PORT, REEVE_PORT_ON | REEVE_PORT_FLOWS);
	flow_set(&key, 0);
	run_cut(prog, &f, f.len, ifindex, 0);
	on_queue(0, (struct shape){ .dst = 3 });
	got = port_get(&owner, FRAME_PORT);
	assert_int_equal(got.packets, REEVE_PORT_ON | REEVE_PORT_FLOWS | 1);
	assert_int_equal(got.bytes, f.len);
	flow_del(&key);
}

/*
 * The flow's place counts when its socket is of the receive queue, else that
 * queue's own place. One of the two is empty, so the answer tells which it was.
 */
static void test_flow_place(void **state)
{
	struct reeve_flow_key key = flow_key(false, 0, 0, 0);
	int of0, of1;

	(void)state;
	need_root();
	of0 = xsk(true, 0);
	of1 = xsk(true, 1);
	port_set(&owner, FRAME_PORT, REEVE_PORT_ON | REEVE_PORT_FLOWS);
	flow_set(&key, 9);
	set(owner.xskmap, 9, (uint32_t)of1);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_REDIRECT);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_PASS);
	set(owner.xskmap, 9, (uint32_t)of0);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_REDIRECT);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_PASS);
	set(owner.xskmap, 0, (uint32_t)of0);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_REDIRECT);
	del(owner.xskmap, 9);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_REDIRECT);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_PASS);
	/* A place beyond the map. */
	flow_set(&key, REEVE_QUEUES);
	assert_int_equal(on_queue(0, (struct shape){ 0 }), XDP_REDIRECT);
	assert_int_equal(on_queue(1, (struct shape){ 0 }), XDP_PASS);
	flow_del(&key);
	close(of0);
	close(of1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_matrix, begin, end),
		cmocka_unit_test_setup_teardown(test_ports, begin, end),
		cmocka_unit_test_setup_teardown(test_queues, begin, end),
		cmocka_unit_test_setup_teardown(test_slots, begin, end),
		cmocka_unit_test_setup_teardown(test_counts, begin, end),
		cmocka_unit_test_setup_teardown(test_flows, begin, end),
		cmocka_unit_test_setup_teardown(test_flow_counts, begin, end),
		cmocka_unit_test_setup_teardown(test_flow_place, begin, end),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
