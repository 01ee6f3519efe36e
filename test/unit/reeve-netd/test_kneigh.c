/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Engines ask the kernel who has an address: engines with threads and stacks of their own,
 * whose addresses the kernel has, too, and a real kernel in a namespace, which asks a
 * real neighbour in another by ARP and NDP.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "netd.h"
#include "port/simnet.h"

/* Last: cmocka.h has a macro named fail. */
#include "../mech/netns.h"

enum { ENGINES = 2, PATIENCE_MS = 20000, QUESTIONS = 20000 };

static struct netd d;
static struct net_iface conf;
static struct simnet *nets[ENGINES];
static pid_t neighbour;
static int go; /* what is written there is done there */
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 }, other_mac[6] = { 2, 0, 0, 0, 0, 10 };

static struct ipaddr ip(const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return a;
}

/* --- the neighbour ------------------------------------------------------------------------ */

/* In a namespace that ends with it, which is when the test does. */
static void be_the_neighbour(int ready, int wait)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWNET) < 0 || write(ready, "", 1) != 1 || read(wait, &byte, 1) != 1)
		_exit(1);
	if (system("ip link set rb addrgenmode none address 02:00:00:00:00:09 && "
		   "ip address add 10.1.0.2/24 dev rb && "
		   "ip address add fd01::2/64 dev rb nodad && ip link set rb up") != 0 ||
	    write(ready, "", 1) != 1)
		_exit(1);
	while (read(wait, &byte, 1) == 1)
		;
	_exit(0);
}

static void await(int ready)
{
	char byte;

	assert_int_equal(read(ready, &byte, 1), 1);
}

static void make_neighbour(void)
{
	int ready[2], wait[2];

	assert_return_code(pipe2(ready, O_CLOEXEC), errno);
	assert_return_code(pipe2(wait, O_CLOEXEC), errno);
	neighbour = fork();
	if (neighbour == 0) {
		close(wait[1]);
		be_the_neighbour(ready[1], wait[0]);
	}
	assert_true(neighbour > 0);
	close(ready[1]);
	close(wait[0]);
	await(ready[0]);
	run("ip link add ra type veth peer name rb netns %d", (int)neighbour);
	run("ip link set ra addrgenmode none && ip address add 10.1.0.1/24 dev ra && "
	    "ip address add fd01::1/64 dev ra nodad && ip link set ra up");
	assert_int_equal(write(wait[1], "", 1), 1);
	await(ready[0]);
	close(ready[0]);
	go = wait[1];
}

/* --- netd ------------------------------------------------------------------------------------- */

static void on_resolve(void *arg, const struct ipaddr *asked)
{
	kneigh_resolve(&d, arg, asked);
}

static const struct stack_user user = { .resolve = on_resolve };

static void open_engine(struct iface *f, uint32_t i)
{
	struct engine *e = &f->engines[i];
	struct stack_conf c = { .naddrs = 2,
				.addrs = { { .ip = ip("10.1.0.1"), .ports_only = true },
					   { .ip = ip("fd01::1"), .ports_only = true } },
				.flows = 4,
				.segments = 16,
				.listeners = 4,
				.neighbours = 64,
				.seed = i,
				.user = &user,
				.arg = e };
	struct cpuset any = { 0 };
	struct err err = { 0 };

	*e = (struct engine){ .number = i, .iface = f };
	assert_int_equal(simnet_new(i, 64, &nets[i]), 0);
	assert_int_equal(simnet_attach(nets[i], 0, NULL, &e->port), 0);
	c.port = e->port;
	assert_int_equal(stack_new(&c, clock_mono_ns(), &e->stack), 0);
	assert_int_equal(engine_start(e, &any, &err), 0);
}

static int open_netd(void **state)
{
	struct iface *f = d.ifaces;
	struct err e = { 0 };

	(void)state;
	netns_new();
	make_neighbour();
	d = (struct netd){ .nifaces = 1 };
	conf = (struct net_iface){ .naddrs = 2 };
	assert_int_equal(loop_new(&d.loop), 0);
	if (kneigh_open(&d, &e) < 0)
		fail_msg("%s", e.text);
	*f = (struct iface){ .conf = &conf, .nengines = ENGINES, .shared = { true, true } };
	f->ifindex = if_nametoindex("ra");
	assert_int_not_equal(f->ifindex, 0);
	for (uint32_t i = 0; i < ENGINES; i++)
		open_engine(f, i);
	return 0;
}

static int close_netd(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ENGINES; i++) {
		engine_stop(&d.ifaces[0].engines[i]);
		simnet_free(nets[i]);
	}
	kneigh_close(&d);
	loop_free(d.loop);
	close(go);
	assert_int_equal(waitpid(neighbour, NULL, 0), neighbour);
	return 0;
}

/* --- what engines do and know ------------------------------------------------------------ */

struct look {
	struct ipaddr ip;
	bool found;
	struct neighbour_info info;
};

static void ask(struct engine *e, void *arg)
{
	stack_ping(e->stack, arg, 1, 1, "", 0);
}

static void look(struct engine *e, void *arg)
{
	struct look *l = arg;
	uint32_t at = 0;

	while (!l->found && stack_next_neighbour(e->stack, &at, &l->info))
		l->found = ipaddr_equal(&l->info.ip, &l->ip);
}

static bool knows(uint32_t engine, const struct ipaddr *who, const uint8_t *has)
{
	struct look l = { .ip = *who };

	engine_call(&d.ifaces[0].engines[engine], look, &l);
	return l.found && !strcmp(l.info.state, "known") && !memcmp(l.info.mac.b, has, 6);
}

static void on_tick(struct watch *w, uint32_t events)
{
	(void)events;
	loop_timer_clear(w->fd);
	loop_exit(w->loop, 1);
}

/* Whatever is there to be done, and what comes within so long. */
static void turn(unsigned ms)
{
	struct watch tick;
	int timer = loop_timer();

	assert_return_code(timer, -timer);
	assert_int_equal(loop_timer_set(timer, clock_boot_ns() + ms * NS_PER_MS), 0);
	assert_int_equal(loop_add(d.loop, &tick, timer, EPOLLIN, on_tick), 0);
	assert_int_equal(loop_run(d.loop), 1);
	loop_del(&tick);
	close(timer);
}

static void wait_known(uint32_t engine, const struct ipaddr *who, const uint8_t *has)
{
	uint64_t until = clock_mono_ns() + PATIENCE_MS * NS_PER_MS;

	while (!knows(engine, who, has)) {
		if (clock_mono_ns() > until)
			fail_msg("engine %u was not told", engine);
		turn(5);
	}
}

static void everyone_asks(struct ipaddr *who)
{
	for (uint32_t i = 0; i < ENGINES; i++)
		engine_call(&d.ifaces[0].engines[i], ask, who);
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static void found(const char *text)
{
	struct ipaddr who = ip(text);

	assert_false(knows(0, &who, mac));
	everyone_asks(&who);
	for (uint32_t i = 0; i < ENGINES; i++)
		wait_known(i, &who, mac);
}

static void the_kernel_finds_it(void **state)
{
	(void)state;
	found("10.1.0.2");
	run("ip neigh show dev ra | grep -q '10.1.0.2 lladdr 02:00:00:00:00:09'");
}

static void the_kernel_finds_it_by_ndp(void **state)
{
	(void)state;
	found("fd01::2");
	run("ip -6 neigh show dev ra | grep -q 'fd01::2 lladdr 02:00:00:00:00:09'");
}

/* As a tenant of reeved netd may not change the kernel's table: a datagram has it look. */
static void the_kernel_finds_it_for_a_tenant(void **state)
{
	(void)state;
	d.tenancy.path = "/nowhere";
	found("10.1.0.2");
	found("fd01::2");
}

/* Nobody asks, and nobody has to: what the kernel hears is told to who knows the address. */
static void news_are_told_to_all_engines(void **state)
{
	struct ipaddr who = ip("10.1.0.2");

	(void)state;
	found("10.1.0.2");
	run("ip neigh replace 10.1.0.2 lladdr 02:00:00:00:00:0a nud reachable dev ra");
	for (uint32_t i = 0; i < ENGINES; i++)
		wait_known(i, &who, other_mac);
}

/* An interface whose addresses are all netd's own asks by itself, and believes only that. */
static void who_shares_nothing_is_not_told(void **state)
{
	struct ipaddr who = ip("10.1.0.2");

	(void)state;
	found("10.1.0.2");
	memset(d.ifaces[0].shared, 0, sizeof(d.ifaces[0].shared));
	run("ip neigh replace 10.1.0.2 lladdr 02:00:00:00:00:0a nud reachable dev ra");
	turn(50);
	assert_true(knows(0, &who, mac));
	/* It was there to be heard. */
	d.ifaces[0].shared[1] = true;
	run("ip neigh replace 10.1.0.2 lladdr 02:00:00:00:00:0a nud permanent dev ra");
	wait_known(0, &who, other_mac);
}

static void an_interface_that_is_gone_is_not_asked_for(void **state)
{
	struct ipaddr who = ip("10.1.0.2");

	(void)state;
	d.ifaces[0].gone = true;
	everyone_asks(&who);
	turn(50);
	run("! ip neigh show dev ra | grep -q 10.1.0.2");
	d.ifaces[0].gone = false;
	found("10.1.0.2");
}

static void ask_much(struct engine *e, void *arg)
{
	struct ipaddr who = *(struct ipaddr *)arg;

	for (uint32_t i = 0; i < QUESTIONS; i++) {
		who.b[14] = (uint8_t)(i >> 8);
		who.b[15] = (uint8_t)i;
		kneigh_resolve(&d, e, &who);
	}
}

/* More than a pipe takes: the engine comes back at once, and what is asked then is answered. */
static void too_many_questions_hold_nobody_up(void **state)
{
	struct ipaddr nobody = ip("10.1.0.0");

	(void)state;
	engine_call(&d.ifaces[0].engines[0], ask_much, &nobody);
	turn(20);
	found("10.1.0.2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_netd, close_netd)
		TEST(the_kernel_finds_it),
		TEST(the_kernel_finds_it_by_ndp),
		TEST(the_kernel_finds_it_for_a_tenant),
		TEST(news_are_told_to_all_engines),
		TEST(who_shares_nothing_is_not_told),
		TEST(an_interface_that_is_gone_is_not_asked_for),
		TEST(too_many_questions_hold_nobody_up),
	};

	return cmocka_run_group_tests_name("kneigh", tests, NULL, NULL);
}
