/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening an AF_XDP socket through a daemon that follows a script. The socket
 * and its memory are real where this process may make a network namespace.
 */
#include <reeve/xsk.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sys/mman.h>

#include "fake_daemon.h"

enum { FRAMES = 64, SIZE = 2048, RING = 16, EXPERIMENT = 0x88b5 /* ethertype */ };

#define LEASE(id, kind, res)                                                                  \
	"{\"lease\":" #id ",\"kind\":\"" kind "\",\"resource\":\"" res "\",\"tenant\":\"t\"," \
	"\"instance\":1,\"since\":\"x\",\"whole_core\":false,\"enforced\":\"advisory\"}"
#define QUEUE_LEASED                                                               \
	{ ASK },                                                                   \
	{                                                                          \
		SAY, "{\"parameters\":{\"leases\":[" LEASE(                        \
			     5, "queue", "queue 3 of if 1") "],\"queues\":\"3\"}}" \
	}
#define PORT_ADDED(id)                                                                         \
	{ ASK },                                                                               \
	{                                                                                      \
		SAY, "{\"parameters\":{\"lease\":" LEASE(id, "udp_port",                       \
							 "udp_port 1 of if 1") ",\"uses\":1}}" \
	}
#define GIVEN_BACK                         \
	{ ASK },                           \
	{                                  \
		SAY, "{\"parameters\":{}}" \
	}
#define REFUSED(name)                                                                        \
	{ ASK },                                                                             \
	{                                                                                    \
		SAY, "{\"error\":\"io.reeve." name "\",\"parameters\":{\"why\":\"no way\"}}" \
	}
#define MADE(bound, queue)                                                        \
	"{\"parameters\":{\"bound\":" bound ",\"ifindex\":1,\"queue\":" queue "," \
	"\"frames\":64,\"frame_size\":2048,\"ring\":16}}"

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* --- refusals ---------------------------------------------------------------- */

static void test_bad_want(void **state)
{
	static const struct step script[] = { HELLO, { END } };
	struct reeve_xsk_want want = { .nic = "eth0" };
	struct reeve_xsk *x = NULL;
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_xsk_open(r, &want, &x), -EINVAL);
	want.size = sizeof(want);
	want.nic = NULL;
	assert_int_equal(reeve_xsk_open(r, &want, &x), -EINVAL);
	assert_null(x);
	reeve_xsk_close(NULL);
	finish(&f, r);
	assert_null(strstr(f.asked, "AcquireQueues"));
}

static void test_no_queue(void **state)
{
	static const struct step script[] = { HELLO, REFUSED("NotEnough"), { END } };
	const struct reeve_xsk_want want = { .size = sizeof(want), .nic = "eth0", .name = "n" };
	struct reeve_xsk *x = NULL;
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_xsk_open(r, &want, &x), -ENOSPC);
	assert_string_equal(reeve_error(r), "no way");
	assert_string_equal(reeve_error_name(r), "io.reeve.NotEnough");
	finish(&f, r);
	assert_asked(&f, 1,
		     "{\"method\":\"io.reeve.AcquireQueues\",\"parameters\":"
		     "{\"nic\":\"eth0\",\"count\":1,\"name\":\"n\"}}");
}

/* What was leased on the way is given back, and the first sentence stays. */
static void test_no_port(void **state)
{
	static const struct step script[] = { HELLO,	     QUEUE_LEASED,
					      PORT_ADDED(6), REFUSED("QuotaExceeded"),
					      GIVEN_BACK,    GIVEN_BACK,
					      { END } };
	static const uint16_t ports[] = { 20000, 20001 };
	const struct reeve_xsk_want want = { .size = sizeof(want),
					     .nic = "eth0",
					     .queue = 3,
					     .has_queue = true,
					     .ports = ports,
					     .nports = 2 };
	struct reeve_xsk *x = NULL;
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_xsk_open(r, &want, &x), -EDQUOT);
	assert_null(x);
	assert_string_equal(reeve_error(r), "no way");
	assert_string_equal(reeve_error_name(r), "io.reeve.QuotaExceeded");
	finish(&f, r);
	assert_asked(&f, 1,
		     "{\"method\":\"io.reeve.AcquireQueues\",\"parameters\":"
		     "{\"nic\":\"eth0\",\"queues\":\"3\"}}");
	assert_asked(&f, 3,
		     "{\"method\":\"io.reeve.AddPort\",\"parameters\":"
		     "{\"nic\":\"eth0\",\"port\":20001}}");
	assert_asked(&f, 4,
		     "{\"method\":\"io.reeve.RemovePort\",\"parameters\":"
		     "{\"nic\":\"eth0\",\"port\":20000}}");
	assert_asked(&f, 5, "{\"method\":\"io.reeve.Release\",\"parameters\":{\"lease\":5}}");
}

static void assert_open_fails(const struct step *script, int code)
{
	const struct reeve_xsk_want want = {
		.size = sizeof(want), .nic = "eth0", .frames = 64, .frame_size = 2048, .ring = 16
	};
	struct reeve_xsk *x = NULL;
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	unsigned before = open_fds();

	assert_int_equal(reeve_xsk_open(r, &want, &x), code);
	assert_string_not_equal(reeve_error(r), "");
	assert_int_equal(open_fds(), before);
	finish(&f, r);
	assert_asked(&f, 2,
		     "{\"method\":\"io.reeve.OpenSocket\",\"parameters\":"
		     "{\"lease\":5,\"frames\":64,\"frame_size\":2048,\"ring\":16}}");
}

static void test_broken_sockets(void **state)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int fds[] = { null, null };
	const struct step without[] = {
		HELLO, QUEUE_LEASED, { ASK }, { SAY, MADE("true", "3") }, { END }
	};
	const struct step one[] = {
		HELLO, QUEUE_LEASED, { ASK }, { SAY, MADE("true", "3"), fds, 1 }, { END }
	};
	const struct step no_memory[] = { HELLO,      QUEUE_LEASED,
					  { ASK },    { SAY, MADE("true", "3"), fds, 2 },
					  GIVEN_BACK, { END } };
	const struct step no_sense[] = {
		HELLO,
		QUEUE_LEASED,
		{ ASK },
		{ SAY,
		  "{\"parameters\":{\"bound\":true,\"ifindex\":1,\"queue\":3,\"frames\":64,"
		  "\"frame_size\":2048,\"ring\":17}}",
		  fds, 2 },
		{ END }
	};

	(void)state;
	assert_open_fails(without, -EPROTO);
	assert_open_fails(one, -EPROTO);
	assert_open_fails(no_memory, -EPROTO);
	assert_open_fails(no_sense, -EPROTO);
	close(null);
}

static void test_ports(void **state)
{
	static const struct step script[] = {
		HELLO, PORT_ADDED(6), PORT_ADDED(6), GIVEN_BACK, REFUSED("NoSuchResource"), { END }
	};
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	uint64_t lease = 0;

	(void)state;
	assert_int_equal(reeve_add_port(r, "eth0", 65535, &lease), 0);
	assert_int_equal(lease, 6);
	assert_int_equal(reeve_add_port(r, "eth0", 65535, NULL), 0);
	assert_int_equal(reeve_remove_port(r, "eth0", 65535), 0);
	assert_int_equal(reeve_remove_port(r, "eth0", 1), -ENOENT);
	finish(&f, r);
	assert_asked(&f, 1,
		     "{\"method\":\"io.reeve.AddPort\",\"parameters\":"
		     "{\"nic\":\"eth0\",\"port\":65535}}");
}

/* --- with a kernel ------------------------------------------------------------- */

static bool own_network(void)
{
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, r;

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r = ioctl(fd, SIOCSIFFLAGS, &up);
	close(fd);
	return r == 0;
}

/* What the daemon does. */
static bool make_socket(int fds[static 2])
{
	const size_t len = (size_t)FRAMES * SIZE;
	struct xdp_umem_reg reg = { .len = len, .chunk_size = SIZE };
	const int ring = RING;
	void *map;

	fds[0] = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	fds[1] = memfd_create("frames", MFD_CLOEXEC);
	if (fds[0] < 0)
		return false;
	assert_int_equal(ftruncate(fds[1], (off_t)len), 0);
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	reg.addr = (uintptr_t)map;
	if (setsockopt(fds[0], SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0)
		return false;
	munmap(map, len);
	for (int option = XDP_RX_RING; option <= XDP_UMEM_COMPLETION_RING; option++)
		if (option != XDP_UMEM_REG)
			assert_int_equal(setsockopt(fds[0], SOL_XDP, option, &ring, sizeof(ring)),
					 0);
	return true;
}

static bool bind_socket(int sock)
{
	struct sockaddr_xdp addr = { .sxdp_family = AF_XDP,
				     .sxdp_flags = XDP_USE_NEED_WAKEUP,
				     .sxdp_ifindex = 1 };

	return bind(sock, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

static int receiver(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(EXPERIMENT),
				  .sll_ifindex = 1 };
	struct timeval wait = { .tv_sec = 10 };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	return fd;
}

/* More than there are frames to send from: they come back. */
static void send_and_receive(struct reeve_xsk *x)
{
	int packets = receiver();

	for (int i = 0; i < 3 * FRAMES; i++) {
		char frame[128] = { [12] = EXPERIMENT >> 8, [13] = EXPERIMENT & 0xff };
		char got[sizeof(frame)] = "";

		snprintf(frame + 14, sizeof(frame) - 14, "frame %d", i);
		assert_int_equal(reeve_xsk_send(x, frame, sizeof(frame)), 0);
		assert_int_equal(recv(packets, got, sizeof(got), 0), sizeof(frame) - 14);
		assert_string_equal(got, frame + 14);
	}
	close(packets);
}

static void use_socket(bool bound)
{
	const struct reeve_xsk_want want = { .size = sizeof(want), .nic = "lo" };
	struct reeve_frame frames[4];
	struct reeve_xsk *x = NULL;
	int fds[2];
	const struct step script[] = {
		HELLO,	    QUEUE_LEASED,
		{ ASK },    { SAY, bound ? MADE("true", "0") : MADE("false", "0"), fds, 2 },
		GIVEN_BACK, { END }
	};
	struct reeve *r;
	struct fake f;

	if (!make_socket(fds) || (bound && !bind_socket(fds[0]))) {
		print_message("no AF_XDP socket here\n");
		skip();
	}
	r = open_ok(&f, script);
	if (reeve_xsk_open(r, &want, &x) < 0) {
		/* Linux before 6.4 maps no ring of a bound socket. */
		assert_true(bound);
		finish(&f, r);
		skip();
	}
	assert_int_equal(reeve_xsk_queue(x), 3);
	assert_int_equal(reeve_xsk_lease(x), 5);
	assert_true(reeve_xsk_fd(x) >= 0);
	assert_int_equal(reeve_xsk_recv(x, frames, 4), 0);
	send_and_receive(x);
	reeve_xsk_close(x);
	finish(&f, r);
	assert_asked(&f, 3, "{\"method\":\"io.reeve.Release\",\"parameters\":{\"lease\":5}}");
	close(fds[0]);
	close(fds[1]);
}

static void test_socket_to_bind(void **state)
{
	(void)state;
	if (!own_network())
		skip();
	use_socket(false);
}

static void test_bound_socket(void **state)
{
	(void)state;
	if (!own_network())
		skip();
	use_socket(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_want),     cmocka_unit_test(test_no_queue),
		cmocka_unit_test(test_no_port),	     cmocka_unit_test(test_broken_sockets),
		cmocka_unit_test(test_ports),	     cmocka_unit_test(test_socket_to_bind),
		cmocka_unit_test(test_bound_socket),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
