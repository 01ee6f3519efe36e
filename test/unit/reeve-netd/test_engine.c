/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Engines in threads of their own: three of one interface, whose NIC puts each frame into any
 * queue, and one that talks to them, while this thread asks all of them and traces them. What
 * they share is what a build with ThreadSanitizer looks at.
 */
#include "reeve-netd/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "port/trace.h"
#include "stack/steer.h"

/* Last: it has a macro named fail. */
#include <cmocka.h>

enum { SERVERS = 3, ENGINES = SERVERS + 1, CLIENT = SERVERS };
enum { FLOWS = 12, ROUNDS = 300, FIRST_PORT = 1000, FRAME = 1600, MTU = 1500 };
enum { PATIENCE_S = 60 };

/* --- a port that is one end of a cable ---------------------------------------------------------
 */

struct cable {
	struct port port;
	int sock;
	uint8_t in[PORT_BURST][FRAME], out[FRAME];
};

static struct cable *cable_of(struct port *p)
{
	return (struct cable *)p;
}

static unsigned cable_rx(struct port *p, struct frame *ret, unsigned max)
{
	struct cable *c = cable_of(p);
	unsigned n = 0;

	while (n < max && n < PORT_BURST) {
		ssize_t len = recv(c->sock, c->in[n], FRAME, MSG_DONTWAIT);

		if (len <= 0)
			break;
		ret[n] = (struct frame){ .data = c->in[n], .len = (uint32_t)len };
		n++;
	}
	return n;
}

static uint8_t *cable_tx_room(struct port *p)
{
	return cable_of(p)->out;
}

/* What does not fit is lost, as on any network. */
static void cable_tx(struct port *p, uint32_t len)
{
	if (send(cable_of(p)->sock, cable_of(p)->out, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		p->stats.tx_full++;
}

static void cable_flush(struct port *p)
{
	(void)p;
}

static void cable_close(struct port *p)
{
	close(cable_of(p)->sock);
	free(p);
}

static const struct port_ops cable_ops = { .rx = cable_rx,
					   .tx_room = cable_tx_room,
					   .tx = cable_tx,
					   .flush = cable_flush,
					   .close = cable_close };

static struct port *cable_open(int sock, uint8_t last)
{
	struct cable *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->sock = sock;
	c->port = (struct port){
		.ops = &cable_ops, .mac = { 2, [5] = last }, .mtu = MTU, .wait_fd = sock
	};
	return &c->port;
}

/* --- the NIC, and the wire behind it -----------------------------------------------------------
 */

static struct {
	pthread_t thread;
	int ends[ENGINES], stop;
	unsigned turn;
} hub;

static void pass_on(int from)
{
	uint8_t frame[FRAME];
	ssize_t len = recv(hub.ends[from], frame, sizeof(frame), MSG_DONTWAIT);
	int to = from == CLIENT ? (int)(hub.turn++ % SERVERS) : CLIENT;

	if (len > 0 && send(hub.ends[to], frame, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void *run_hub(void *arg)
{
	struct pollfd fds[ENGINES + 1] = { [ENGINES] = { .fd = hub.stop, .events = POLLIN } };

	for (int i = 0; i < ENGINES; i++)
		fds[i] = (struct pollfd){ .fd = hub.ends[i], .events = POLLIN };
	while (poll(fds, ENGINES + 1, -1) > 0 && !fds[ENGINES].revents)
		for (int i = 0; i < ENGINES; i++)
			if (fds[i].revents)
				pass_on(i);
	return arg;
}

/* --- what is said ------------------------------------------------------------------------------
 */

static struct engine engines[ENGINES];
static struct steering *shared;
static struct ipaddr ips[2]; /* of the servers, of the client */
static sem_t done;
static _Atomic uint32_t rounds, errors;

static void on_connected(void *arg, struct flow *f, int error)
{
	(void)arg;
	if (error || flow_put(f, "hello", 5, true) != 5)
		atomic_fetch_add(&errors, 1);
}

static bool on_accepted(void *arg, struct flow *f, void *listener)
{
	(void)f;
	if (arg != listener)
		atomic_fetch_add(&errors, 1);
	return true;
}

/* Servers send back what they get; the client does so for some rounds. */
static bool on_received(void *arg, struct flow *f, uint8_t flags, const uint8_t *data, uint32_t len)
{
	uintptr_t n = (uintptr_t)flow_user(f);

	if (flags != (MACHNET_FIRST | MACHNET_LAST) || len != 5 || memcmp(data, "hello", 5) != 0)
		atomic_fetch_add(&errors, 1);
	flow_set_user(f, (void *)(n + 1));
	if (arg == &engines[CLIENT]) {
		if (atomic_fetch_add(&rounds, 1) + 1 == FLOWS * ROUNDS)
			sem_post(&done);
		if (n + 1 == ROUNDS)
			return true;
	}
	if (flow_put(f, data, len, true) != len)
		atomic_fetch_add(&errors, 1);
	return true;
}

static void on_sendable(void *arg, struct flow *f)
{
	(void)arg;
	(void)f;
}

static void on_closed(void *arg, struct flow *f, int error)
{
	(void)arg;
	(void)f;
	(void)error;
	atomic_fetch_add(&errors, 1);
}

static const struct stack_user user = { .connected = on_connected,
					.accepted = on_accepted,
					.received = on_received,
					.sendable = on_sendable,
					.closed = on_closed };

static void on_wake(void *arg, uint32_t engine)
{
	(void)arg;
	engine_wake(&engines[engine]);
}

static void start_engine(uint32_t i, int sock)
{
	struct stack_conf conf = { .naddrs = 1,
				   .flows = 64,
				   .segments = 1024,
				   .listeners = 4,
				   .neighbours = 16,
				   .seed = i,
				   .engine = i < SERVERS ? i : 0,
				   .steering = i < SERVERS ? shared : NULL,
				   .user = &user,
				   .arg = &engines[i] };
	struct cpuset any = { 0 };
	struct err e = { 0 };

	conf.addrs[0] = (struct stack_addr){ .ip = ips[i == CLIENT], .prefix = 24 };
	conf.port = cable_open(sock, i == CLIENT);
	engines[i] = (struct engine){ .number = conf.engine, .port = conf.port };
	assert_int_equal(stack_new(&conf, clock_mono_ns(), &engines[i].stack), 0);
	assert_int_equal(engine_start(&engines[i], &any, &e), 0);
}

static int open_engines(void **state)
{
	int pair[2];

	(void)state;
	rounds = errors = 0;
	assert_int_equal(sem_init(&done, 0, 0), 0);
	ipaddr_from4(&ips[0], (const uint8_t[]){ 10, 0, 0, 1 });
	ipaddr_from4(&ips[1], (const uint8_t[]){ 10, 0, 0, 2 });
	assert_int_equal(steering_new(SERVERS, FRAME, on_wake, NULL, &shared), 0);
	hub.stop = eventfd(0, EFD_CLOEXEC);
	for (uint32_t i = 0; i < ENGINES; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		hub.ends[i] = pair[0];
		start_engine(i, pair[1]);
	}
	assert_int_equal(pthread_create(&hub.thread, NULL, run_hub, NULL), 0);
	return 0;
}

static int close_engines(void **state)
{
	const uint64_t one = 1;

	(void)state;
	assert_int_equal(write(hub.stop, &one, sizeof(one)), sizeof(one));
	assert_int_equal(pthread_join(hub.thread, NULL), 0);
	for (uint32_t i = 0; i < ENGINES; i++)
		engine_stop(&engines[i]);
	for (uint32_t i = 0; i < ENGINES; i++)
		close(hub.ends[i]);
	close(hub.stop);
	steering_free(shared);
	return 0;
}

/* --- calls ---------------------------------------------------------------------------------------
 */

static void listen_there(struct engine *e, void *arg)
{
	int *r = arg;

	*r = stack_listen(e->stack, &ips[0], (uint16_t)(FIRST_PORT + e->number), e);
}

static void connect_there(struct engine *e, void *arg)
{
	uint16_t *port = arg;
	struct flow *f;

	if (stack_connect(e->stack, &ips[1], &ips[0], *port, NULL, &f) < 0)
		atomic_fetch_add(&errors, 1);
}

static void read_stats(struct engine *e, void *arg)
{
	struct flow_info info;
	uint32_t at = 0;

	stack_stats(e->stack, arg);
	while (stack_next_flow(e->stack, &at, &info))
		;
}

static void count(struct engine *e, void *arg)
{
	(void)e;
	++*(uint32_t *)arg;
}

static void wait_done(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	while (sem_timedwait(&done, &until) < 0)
		assert_int_equal(errno, EINTR);
}

static void begin_talk(void)
{
	for (uint32_t i = 0; i < SERVERS; i++) {
		int r = -1;

		engine_call(&engines[i], listen_there, &r);
		assert_int_equal(r, 0);
	}
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint16_t port = (uint16_t)(FIRST_PORT + i % SERVERS);

		engine_call(&engines[CLIENT], connect_there, &port);
	}
}

static void test_frames_find_their_engine_while_it_is_asked(void **state)
{
	struct stack_stats stats;
	uint64_t steered = 0;

	(void)state;
	begin_talk();
	while (atomic_load(&rounds) < FLOWS * ROUNDS / 2 && !atomic_load(&errors))
		for (uint32_t i = 0; i < ENGINES; i++)
			engine_call(&engines[i], read_stats, &stats);
	wait_done();
	assert_int_equal(errors, 0);
	for (uint32_t i = 0; i < SERVERS; i++) {
		engine_call(&engines[i], read_stats, &stats);
		assert_int_equal(stats.flows, FLOWS / SERVERS);
		steered += stats.steered;
	}
	/* Two thirds come to a queue that is not their engine's. */
	assert_true(steered > FLOWS * ROUNDS);
}

/* Who sleeps is woken by each, and none is lost between its last look and its sleep. */
static void test_every_call_is_answered(void **state)
{
	uint32_t calls = 0;

	(void)state;
	for (uint32_t i = 0; i < 20000; i++)
		engine_call(&engines[i % ENGINES], count, &calls);
	assert_int_equal(calls, 20000);
}

/* --- traces --------------------------------------------------------------------------------------
 */

struct tap {
	struct trace_conf conf;
	struct trace *trace;
	int r;
};

static void tap(struct engine *e, void *arg)
{
	struct tap *t = arg;

	t->r = trace_start(&t->conf, e->port, &t->trace);
}

static void untap(struct engine *e, void *arg)
{
	(void)e;
	trace_stop(arg);
}

static size_t drain(int pipe)
{
	static uint8_t bytes[65536];
	size_t all = 0;
	ssize_t n;

	while ((n = read(pipe, bytes, sizeof(bytes))) > 0)
		all += (size_t)n;
	return all;
}

static void test_taps_come_and_go_while_engines_talk(void **state)
{
	struct tap taps[ENGINES];
	size_t traced = 0;
	int pipe[2];

	(void)state;
	assert_int_equal(pipe2(pipe, O_CLOEXEC | O_NONBLOCK), 0);
	begin_talk();
	while (atomic_load(&rounds) < FLOWS * ROUNDS && !atomic_load(&errors)) {
		for (uint32_t i = 0; i < ENGINES; i++) {
			taps[i] = (struct tap){ .conf = { .pipe = pipe[1], .interface = i } };
			engine_call(&engines[i], tap, &taps[i]);
			assert_int_equal(taps[i].r, 0);
		}
		traced += drain(pipe[0]);
		for (uint32_t i = 0; i < ENGINES; i++)
			engine_call(&engines[i], untap, taps[i].trace);
		traced += drain(pipe[0]);
	}
	wait_done();
	assert_int_equal(errors, 0);
	assert_true(traced > 0);
	close(pipe[0]);
	close(pipe[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_engines, close_engines)
		TEST(test_frames_find_their_engine_while_it_is_asked),
		TEST(test_every_call_is_answered),
		TEST(test_taps_come_and_go_while_engines_talk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
