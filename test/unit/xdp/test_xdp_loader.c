/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loader with ports at both ends of a veth pair: what is the stack's comes to its
 * port, and the kernel goes on with the rest. In a network namespace of the test's own.
 */
#include "port/af_xdp.h"
#include "xdp/xdp_loader.h"

#include "../mech/netns.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { PORT = 5000, OTHER_PORT = 5001, PATIENCE_MS = 10000 };

/* 10.9.0.1 is the kernel's on va, 10.9.0.3 the stack's; the peer, a kernel, is 10.9.0.2. */
static const struct stack_address whole = { { [10] = 0xff, [11] = 0xff, 10, 9, 0, 3 } };
static const struct stack_address shared = { { [10] = 0xff, [11] = 0xff, 10, 9, 0, 1 } };

static struct err e;

/* --- what the tests run on ---------------------------------------------------- */

static void begin(void)
{
	memset(&e, 0, sizeof(e));
	netns_new();
	netns_veth("va", "vb", 1);
	run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
	run("ip link set lo up && ip link set va up && ip link set vb up");
}

static struct xdp_loader *loader_open(uint32_t mode)
{
	struct xdp_loader *l = NULL;

	if (xdp_loader_open("va", mode, &l, &e) < 0)
		fail_msg("%s", e.text);
	return l;
}

static struct port *port_open(void)
{
	const struct af_xdp_want w = AF_XDP_WANT("va", 0);
	struct port *p = NULL;

	if (af_xdp_open(&w, &p, &e) < 0)
		fail_msg("%s", e.text);
	return p;
}

static bool is_attached(void)
{
	return system("ip link show va | grep -q 'prog/xdp'") == 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- loading and attaching ------------------------------------------------------- */

static void test_modes(void **state)
{
	static const struct {
		uint32_t want;
		enum nic_mode got;
	} cases[] = {
		{ NIC_MODE_AUTO, NIC_MODE_GENERIC }, /* of a veth */
		{ NIC_MODE_ONLY_GENERIC, NIC_MODE_GENERIC },
		{ NIC_MODE_ONLY_NATIVE, NIC_MODE_NATIVE },
	};

	(void)state;
	begin();
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct xdp_loader *l = loader_open(cases[i].want);

		assert_int_equal(xdp_loader_mode(l), cases[i].got);
		assert_true(is_attached());
		xdp_loader_close(l);
		assert_false(is_attached());
	}
	xdp_loader_close(NULL);
}

/* A bridge has no native mode. */
static void test_auto_on_other_devices(void **state)
{
	struct xdp_loader *l = NULL;

	(void)state;
	begin();
	run("ip link add br0 type bridge && ip link set br0 up");
	assert_int_equal(xdp_loader_open("br0", NIC_MODE_ONLY_NATIVE, &l, &e), -EOPNOTSUPP);
	assert_non_null(strstr(e.text, "br0 does not take an XDP program in native mode: "));
	assert_null(l);
	assert_int_equal(xdp_loader_open("br0", NIC_MODE_AUTO, &l, &e), 0);
	assert_int_equal(xdp_loader_mode(l), NIC_MODE_GENERIC);
	xdp_loader_close(l);
}

static void test_large_frames_natively(void **state)
{
	(void)state;
	begin();
	run("ip link set va mtu 9000 && ip link set vb mtu 9000");
	xdp_loader_close(loader_open(NIC_MODE_ONLY_NATIVE));
}

static void test_no_such_interface(void **state)
{
	struct xdp_loader *l = NULL;

	(void)state;
	begin();
	assert_int_equal(xdp_loader_open("nothing", NIC_MODE_AUTO, &l, &e), -ENODEV);
	assert_string_equal(e.text, "there is no interface \"nothing\"");
}

/* Neither one of ours nor a stranger is replaced, in whichever mode. */
static void test_another_program_stays(void **state)
{
	static const uint32_t modes[] = { NIC_MODE_AUTO, NIC_MODE_ONLY_GENERIC,
					  NIC_MODE_ONLY_NATIVE };
	static const uint32_t flags[] = { XDP_FLAGS_SKB_MODE, XDP_FLAGS_DRV_MODE };
	struct xdp_loader *l, *other = NULL;

	(void)state;
	begin();
	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++)
		for (unsigned j = 0; j < ARRAY_SIZE(flags); j++) {
			int prog = xdp_pass(),
			    link = xdp_attach(prog, if_nametoindex("va"), flags[j]);

			assert_return_code(link, errno);
			assert_int_equal(xdp_loader_open("va", modes[i], &other, &e), -EBUSY);
			assert_non_null(strstr(e.text, "va has the XDP program (id "));
			assert_non_null(strstr(e.text, "which is not replaced"));
			assert_null(other);
			assert_true(is_attached());
			close(link);
			close(prog);
		}
	l = loader_open(NIC_MODE_AUTO);
	assert_int_equal(xdp_loader_open("va", NIC_MODE_AUTO, &other, &e), -EBUSY);
	assert_non_null(strstr(e.text, "va has the XDP program \"stack_xdp\" (id "));
	xdp_loader_close(l);
}

static void test_it_goes_with_its_process(void **state)
{
	int ready[2], status;
	pid_t pid;
	char c;

	(void)state;
	begin();
	assert_return_code(pipe(ready), errno);
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		struct xdp_loader *l = NULL;

		if (xdp_loader_open("va", NIC_MODE_AUTO, &l, &e) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(2);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_true(is_attached());
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(is_attached());
	close(ready[0]);
}

static void test_the_interface_goes(void **state)
{
	struct xdp_loader *l;

	(void)state;
	begin();
	l = loader_open(NIC_MODE_AUTO);
	run("ip link del va");
	assert_int_equal(xdp_loader_set_address(l, &whole, STACK_WHOLE), 0);
	xdp_loader_set_port(l, PORT, true);
	xdp_loader_close(l);
}

/* --- addresses ----------------------------------------------------------------------- */

static void test_what_is_no_address(void **state)
{
	static const struct stack_address bad[] = {
		{ { 0 } },
		{ { [15] = 1 } },		  /* ::1 */
		{ { [10] = 0xff, [11] = 0xff } }, /* 0.0.0.0 */
		{ { [10] = 0xff, [11] = 0xff, 224, 0, 0, 1 } },
		{ { [10] = 0xff, [11] = 0xff, 255, 255, 255, 255 } },
		{ { 0xff, 0x02, [15] = 1 } },
	};
	struct xdp_loader *l;

	(void)state;
	begin();
	l = loader_open(NIC_MODE_AUTO);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(xdp_loader_set_address(l, &bad[i], STACK_WHOLE), -EINVAL);
	assert_int_equal(xdp_loader_set_address(l, &whole, STACK_WHOLE | STACK_PORTS), -EINVAL);
	assert_int_equal(xdp_loader_set_address(l, &whole, 4), -EINVAL);
	assert_int_equal(xdp_loader_set_address(l, &whole, 0), 0);
	assert_int_equal(xdp_loader_set_address(l, &whole, STACK_PORTS), 0);
	assert_int_equal(xdp_loader_set_address(l, &whole, STACK_WHOLE), 0);
	assert_int_equal(xdp_loader_set_address(l, &whole, 0), 0);
	assert_int_equal(xdp_loader_set_socket(l, STACK_QUEUES, -1), -EINVAL);
	assert_int_equal(xdp_loader_set_socket(l, 3, -1), 0);
	assert_int_equal(xdp_loader_set_socket(l, 3, STDIN_FILENO), -ENOTSOCK);
	xdp_loader_close(l);
}

static void test_too_many_addresses(void **state)
{
	struct stack_address a = whole;
	struct xdp_loader *l;

	(void)state;
	begin();
	l = loader_open(NIC_MODE_AUTO);
	for (unsigned i = 0; i < STACK_ADDRESSES; i++) {
		a.bytes[15] = (uint8_t)i;
		assert_int_equal(xdp_loader_set_address(l, &a, STACK_WHOLE), 0);
	}
	a.bytes[14] = 1;
	assert_int_equal(xdp_loader_set_address(l, &a, STACK_WHOLE), -E2BIG);
	xdp_loader_close(l);
}

/* --- frames ---------------------------------------------------------------------------- */

/* A socket of the kernel's on vb, which sends to va; the kernel has an address on each. */
static int peer(void)
{
	run("ip addr add 10.9.0.2/24 dev vb && ip route del 10.9.0.0/24 dev vb");
	run("ip neigh add 10.9.0.3 lladdr 02:00:00:00:00:03 dev vb");
	run("ip neigh add 10.9.0.4 lladdr 02:00:00:00:00:04 dev vb");
	run("ip route add 10.9.0.0/24 dev vb");
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static void send_to(int sock, const char *address, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, address, &to.sin_addr);
	assert_int_equal(sendto(sock, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
}

/* The one frame that comes is a datagram to that port. */
static void expect(struct port *p, uint16_t port)
{
	const uint64_t until = now_ms() + PATIENCE_MS;
	struct frame f;

	while (!port_rx(p, &f, 1))
		assert_true(now_ms() < until);
	assert_int_equal(f.len, 14 + 20 + 8 + 5);
	assert_int_equal(f.data[36] << 8 | f.data[37], port);
	assert_memory_equal(f.data + 42, "hello", 5);
}

static void expect_nothing(struct port *p)
{
	struct frame f;

	assert_int_equal(port_rx(p, &f, 1), 0);
}

/* That many have gone to the kernel: natively, frames come some time after they are sent. */
static void await_passed(struct xdp_loader *l, uint64_t n)
{
	const uint64_t until = now_ms() + PATIENCE_MS;
	struct stack_counts c;

	do {
		assert_int_equal(xdp_loader_counts(l, &c), 0);
		assert_true(now_ms() < until);
	} while (c.passed < n);
	assert_int_equal(c.passed, n);
}

static void check_frames(uint32_t mode)
{
	struct xdp_loader *l;
	struct port *p;
	struct stack_counts counts;
	int sock;

	begin();
	sock = peer();
	l = loader_open(mode);
	p = port_open();
	assert_int_equal(xdp_loader_set_socket(l, 0, p->wait_fd), 0);
	send_to(sock, "10.9.0.3", PORT);
	await_passed(l, 1);
	assert_int_equal(xdp_loader_set_address(l, &whole, STACK_WHOLE), 0);
	send_to(sock, "10.9.0.3", PORT);
	send_to(sock, "10.9.0.4", PORT);
	send_to(sock, "10.9.0.3", OTHER_PORT);
	expect(p, PORT);
	expect(p, OTHER_PORT);
	expect_nothing(p);
	assert_int_equal(xdp_loader_set_address(l, &whole, STACK_PORTS), 0);
	xdp_loader_set_port(l, PORT, true);
	send_to(sock, "10.9.0.3", OTHER_PORT);
	send_to(sock, "10.9.0.3", PORT);
	expect(p, PORT);
	xdp_loader_set_port(l, PORT, false);
	xdp_loader_set_port(l, OTHER_PORT, true);
	send_to(sock, "10.9.0.3", PORT);
	send_to(sock, "10.9.0.3", OTHER_PORT);
	expect(p, OTHER_PORT);
	assert_int_equal(xdp_loader_set_socket(l, 0, -1), 0);
	send_to(sock, "10.9.0.3", OTHER_PORT);
	await_passed(l, 5);
	expect_nothing(p);
	assert_int_equal(xdp_loader_counts(l, &counts), 0);
	assert_int_equal(counts.redirected, 4);
	port_close(p);
	xdp_loader_close(l);
	close(sock);
}

static void test_frames_generic(void **state)
{
	(void)state;
	check_frames(NIC_MODE_ONLY_GENERIC);
}

static void test_frames_native(void **state)
{
	(void)state;
	check_frames(NIC_MODE_ONLY_NATIVE);
}

/* The kernel has the address, too: it does not see ports that are on, and has the others. */
static void test_shared_with_the_kernel(void **state)
{
	const struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(OTHER_PORT) };
	int there, sock;
	struct xdp_loader *l;
	struct port *p;
	char text[8];

	(void)state;
	begin();
	sock = peer();
	/* The peer's route is not to end in the local table. */
	run("ip addr add 10.9.0.1/32 dev va && ip rule add pref 0 iif lo to 10.9.0.1 lookup main && "
	    "ip rule add pref 1 lookup local && ip rule del pref 0 lookup local");
	run("ip link set va address 02:00:00:00:00:01 && "
	    "ip neigh add 10.9.0.1 lladdr 02:00:00:00:00:01 dev vb");
	run("sysctl -qw net.ipv4.conf.all.accept_local=1 net.ipv4.conf.va.accept_local=1 "
	    "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.va.rp_filter=0");
	l = loader_open(NIC_MODE_AUTO);
	p = port_open();
	assert_int_equal(xdp_loader_set_socket(l, 0, p->wait_fd), 0);
	assert_int_equal(xdp_loader_set_address(l, &shared, STACK_PORTS), 0);
	xdp_loader_set_port(l, PORT, true);
	there = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(there, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_return_code(bind(there, (struct sockaddr *)&here, sizeof(here)), errno);
	send_to(sock, "10.9.0.1", OTHER_PORT);
	send_to(sock, "10.9.0.1", PORT);
	assert_int_equal(recv(there, text, sizeof(text), 0), 5);
	expect(p, PORT);
	expect_nothing(p);
	close(there);
	port_close(p);
	xdp_loader_close(l);
	close(sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_auto_on_other_devices),
		cmocka_unit_test(test_large_frames_natively),
		cmocka_unit_test(test_no_such_interface),
		cmocka_unit_test(test_another_program_stays),
		cmocka_unit_test(test_it_goes_with_its_process),
		cmocka_unit_test(test_the_interface_goes),
		cmocka_unit_test(test_what_is_no_address),
		cmocka_unit_test(test_too_many_addresses),
		cmocka_unit_test(test_frames_generic),
		cmocka_unit_test(test_frames_native),
		cmocka_unit_test(test_shared_with_the_kernel),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
