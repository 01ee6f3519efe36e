/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve-netd/net_tool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static volatile sig_atomic_t ended;

static void on_signal(int signo)
{
	(void)signo;
	ended = 1;
}

int net_tool_fail(const struct net_tool *t, const struct err *e)
{
	fflush(stdout);
	fprintf(stderr, "%s: %s\n", t->name, e->text);
	return NET_EXIT_FAILED;
}

/* --- before anything is touched ----------------------------------------------------- */

static int load(struct net_tool *t, const char *path, struct err *e)
{
	int r = net_conf_load(path, &t->conf, e);

	if (r == 0 && t->conf.nifaces != 1)
		r = fail(e, EINVAL, "%s has %u interfaces; exactly one is needed", path,
			 t->conf.nifaces);
	if (r < 0)
		return r;
	/* One stack on one queue gets all that comes. */
	t->conf.ifaces[0].engine_threads = 1;
	return 0;
}

static void help(const struct net_tool *t)
{
	fputs(t->about, stdout);
	net_flags_print(stdout, t->flags);
}

int net_tool_start(struct net_tool *t, int argc, char *const *argv)
{
	struct net_std_flags std;
	struct err e = { 0 };

	if (net_flags_parse(t->flags, argc, argv, &std, &e) < 0) {
		net_tool_fail(t, &e);
		return NET_EXIT_FLAGS;
	}
	if (std.help) {
		help(t);
		return NET_EXIT_OK;
	}
	if (std.version) {
		printf("%s " REEVE_VERSION "\n", t->name);
		return NET_EXIT_OK;
	}
	if (load(t, std.config, &e) < 0) {
		net_tool_fail(t, &e);
		return NET_EXIT_CONFIG;
	}
	return -1;
}

/* --- open and close ------------------------------------------------------------------- */

static void take_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* The answers would be the kernel's. */
static int check_shared(const struct net_tool *t, struct err *e)
{
	char text[IPADDR_TEXT];

	for (uint32_t i = 0; i < t->iface.conf->naddrs; i++) {
		if (!t->iface.shared[i])
			continue;
		ipaddr_format(&t->iface.conf->addrs[i].ip, text);
		return fail(e, EADDRINUSE,
			    "the kernel has %s, too, and would get what comes for it", text);
	}
	return 0;
}

int net_tool_open(struct net_tool *t, const struct stack_user *user, struct err *e)
{
	struct err why = { 0 };
	int r;

	take_signals();
	r = iface_open(&t->iface, &way_alone, NULL, &t->conf.ifaces[0], user, &why);
	if (r == -EBUSY)
		return fail(e, EBUSY, "%s is taken, by a running machnet, it may be: %.180s",
			    t->iface.name, why.text);
	if (r < 0)
		return fail(e, -r, "%s", why.text);
	t->port = t->iface.engines[0].port;
	t->stack = t->iface.engines[0].stack;
	t->now = clock_mono_ns();
	return check_shared(t, e);
}

void net_tool_close(struct net_tool *t)
{
	if (t->iface.conf)
		iface_close(&t->iface);
	t->stack = NULL;
	t->port = NULL;
}

int net_tool_peer(const struct net_tool *t, const char *text, struct ipaddr *ret_remote,
		  struct ipaddr *ret_local, struct err *e)
{
	struct ipaddr remote, local;

	if (ipaddr_parse(text, &remote) < 0 || !ipaddr_is_unicast(&remote))
		return fail(e, EINVAL, "flag '--remote_ip' is an address, not '%.60s'", text);
	if (stack_source(t->stack, &remote, &local) < 0)
		return fail(e, ENETUNREACH, "the config has no address to speak to %s from", text);
	for (uint32_t i = 0; i < t->iface.conf->naddrs; i++)
		if (ipaddr_equal(&t->iface.conf->addrs[i].ip, &remote))
			return fail(e, EINVAL, "%s is our own address", text);
	*ret_remote = remote;
	*ret_local = local;
	return 0;
}

/* --- the turn --------------------------------------------------------------------------- */

static void wait_until(struct net_tool *t, uint64_t until)
{
	struct pollfd fd = { .fd = t->port->wait_fd, .events = POLLIN };
	uint64_t due = stack_deadline(t->stack), left;
	struct timespec wait;
	sigset_t none;

	if (until < due)
		due = until;
	left = due > t->now ? due - t->now : 0;
	wait = (struct timespec){ .tv_sec = (time_t)(left / NS_PER_S),
				  .tv_nsec = (long)(left % NS_PER_S) };
	sigemptyset(&none);
	ppoll(&fd, 1, due == UINT64_MAX ? NULL : &wait, &none);
	/* The interface is gone: nothing comes from there any more. */
	if (fd.revents & (POLLERR | POLLNVAL))
		t->port->wait_fd = -1;
}

bool net_tool_turn(struct net_tool *t, uint64_t until_ns)
{
	bool any;

	t->now = clock_mono_ns();
	any = stack_poll(t->stack, t->now);
	if (!any || until_ns <= t->now)
		wait_until(t, until_ns);
	return !ended;
}
