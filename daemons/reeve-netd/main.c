/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "loop/loop.h"
#include "mech/cgroup.h"
#include "net_flags.h"
#include "net_log.h"
#include "netd.h"
#include "sandbox.h"
#include "wire/channel.h"

static struct netd netd;

/* --- what the stacks tell -------------------------------------------------------------------- */

static void on_resolve(void *arg, const struct ipaddr *ip)
{
	kneigh_resolve(&netd, arg, ip);
}

/* From an engine's thread; a line that does not fit into the pipe is one too many. */
static void on_notice(void *arg, const char *text)
{
	(void)arg;
	if (write(netd.notices[1], text, strlen(text) + 1) < 0)
		return;
}

static const struct stack_user user = {
	.connected = endpoint_connected,
	.accepted = endpoint_accepted,
	.received = endpoint_received,
	.sendable = endpoint_sendable,
	.closed = endpoint_closed,
	.resolve = on_resolve,
	.notice = on_notice,
};

static void on_notices(struct watch *w, uint32_t events)
{
	char text[4096];
	ssize_t n = read(w->fd, text, sizeof(text) - 1);

	(void)events;
	if (n <= 0)
		return;
	text[n] = '\0';
	for (const char *at = text; at < text + n; at += strlen(at) + 1)
		log_say(LOG_WARN, "network", "%s", at);
}

/* --- start and end -----------------------------------------------------------------------------
 */

static void on_signal(struct watch *w, uint32_t events)
{
	int signo = loop_signal_next(w->fd);

	(void)events;
	if (signo <= 0)
		return;
	log_say(LOG_INFO, "stopping", "signal %d", signo);
	notify_send("STOPPING=1");
	loop_exit(netd.loop, 0);
}

static int watch_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = loop_signals(&set);
	return fd < 0 ? fd : loop_add(netd.loop, &netd.signal_watch, fd, EPOLLIN, on_signal);
}

static int watch_notices(void)
{
	if (pipe2(netd.notices, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	return loop_add(netd.loop, &netd.notices_watch, netd.notices[0], EPOLLIN, on_notices);
}

static void say_open(const struct iface *f)
{
	char text[IPADDR_TEXT];

	for (uint32_t i = 0; i < f->conf->naddrs; i++) {
		ipaddr_format(&f->conf->addrs[i].ip, text);
		log_say(LOG_INFO, "address", "%s on %s, %u engine%s%s", text, f->name, f->nengines,
			f->nengines == 1 ? "" : "s",
			f->shared[i] ? "; the kernel has it, too: only our UDP ports are taken"
				     : "");
	}
}

int netd_take(struct netd *d, struct iface *f, struct err *e)
{
	const struct way *way = d->tenancy.path ? &way_leased : &way_alone;
	int r = iface_open(f, way, &d->tenancy, &d->conf.ifaces[f - d->ifaces], &user, e);

	if (r == 0)
		r = iface_run(f, e);
	if (r == 0) {
		f->up = true;
		say_open(f);
		channels_iface_up(d);
	}
	return r;
}

static int open_ifaces(struct err *e)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < netd.conf.nifaces; i++) {
		netd.nifaces = i + 1;
		r = netd_take(&netd, &netd.ifaces[i], e);
	}
	return r;
}

static void on_idle(void *arg)
{
	(void)arg;
	log_flush();
}

struct options {
	const char *runtime_dir;
	const char *reeve; /* the socket of a reeved to be a tenant of; NULL: of none */
	const char *ctrl_socket;
	uint64_t status_fd, ctrl_fd; /* that we are given; 0: none */
};

static int give_up_rights(const struct options *o, struct err *e)
{
	return sandbox_enter(o->status_fd ? NULL : o->runtime_dir,
			     netd.ctrl.door.path[0] ? netd.ctrl.door.path : NULL, !o->reeve, e);
}

static int start(const struct options *o, struct err *e)
{
	int r = loop_new(&netd.loop);

	if (r == 0)
		r = watch_signals();
	if (r == 0)
		r = watch_notices();
	if (r < 0)
		return fail(e, -r, "can't set up: %s", strerror(-r));
	loop_on_idle(netd.loop, on_idle, NULL);
	netd.since_ns = clock_boot_ns();
	r = status_open(&netd, o->runtime_dir, o->status_fd ? (int)o->status_fd : -1, e);
	if (r == 0)
		r = channels_open(&netd, e);
	if (r == 0)
		r = ctrl_open(&netd, o->ctrl_socket, o->ctrl_fd ? (int)o->ctrl_fd : -1, e);
	if (r == 0)
		r = kneigh_open(&netd, e);
	netd.cgroup_fd = o->reeve ? cgroup_root("/") : -1;
	if (r == 0 && o->reeve)
		r = tenancy_open(&netd.tenancy, o->reeve, netd.loop, e);
	if (r == 0 && o->reeve)
		r = app_leases_open(&netd, e);
	if (r == 0)
		r = give_up_rights(o, e);
	if (r == 0) {
		channels_stock(&netd);
		r = open_ifaces(e);
	}
	return r == 0 ? links_open(&netd, e) : r;
}

/* Nobody may ask while the engines go. */
static void stop(void)
{
	links_close(&netd);
	ctrl_close(&netd);
	channels_close(&netd);
	status_close(&netd);
	tracers_end(&netd, NULL);
	for (uint32_t i = 0; i < netd.nifaces; i++)
		iface_close(&netd.ifaces[i]);
	kneigh_close(&netd);
	tenancy_close(&netd.tenancy);
}

static int run(const struct options *o)
{
	struct err e = { 0 };
	int code = 1;

	if (start(o, &e) == 0) {
		log_say(LOG_INFO, "ready", "pid %d", (int)getpid());
		notify_send("READY=1");
		log_flush();
		code = loop_run(netd.loop);
	} else {
		log_say(LOG_ERR, "can't start", "%s", e.text);
		if (!netd.log_on_stderr)
			fprintf(stderr, "machnet: %s\n", e.text);
	}
	stop();
	log_flush();
	return code ? 1 : 0;
}

static void start_log(const struct net_std_flags *flags)
{
	struct err e = { 0 };

	netd.log_on_stderr = flags->logtostderr || flags->alsologtostderr;
	if (net_log_start("machnet", flags, &e) < 0)
		log_say(LOG_WARN, "log to stderr", "%s", e.text);
	for (uint32_t i = 0; i < netd.conf.nunknown && i < NET_UNKNOWN_MAX; i++)
		log_say(LOG_WARN, "config", "the key %s is not known, and ignored",
			netd.conf.unknown[i]);
}

int main(int argc, char **argv)
{
	struct options o = { .runtime_dir = NETD_RUNTIME_DIR, .ctrl_socket = CHAN_SOCKET };
	const struct net_flag own[] = {
		{ "runtime_dir", .text = &o.runtime_dir, .help = "where " NETD_SOCKET " is" },
		{ "reeve", .text = &o.reeve,
		  .help = "lease queues, addresses and cores from the reeved at this socket" },
		{ "ctrl_socket", .text = &o.ctrl_socket,
		  .help = "where applications connect; " CHAN_SOCKET " if not given" },
		{ "status_fd", .number = &o.status_fd, .max = INT16_MAX },
		{ "ctrl_fd", .number = &o.ctrl_fd, .max = INT16_MAX },
		{ NULL },
	};
	struct net_std_flags flags = { 0 };
	struct err e = { 0 };

	signal(SIGPIPE, SIG_IGN);
	if (net_flags_parse(own, argc, argv, &flags, &e) < 0) {
		fprintf(stderr, "machnet: %s\n", e.text);
		return NET_EXIT_FLAGS;
	}
	if (flags.help || flags.version) {
		if (flags.help)
			net_flags_print(stdout, own);
		else
			puts("machnet " REEVE_VERSION);
		return 0;
	}
	if (net_conf_load(flags.config, &netd.conf, &e) < 0) {
		fprintf(stderr, "machnet: %s\n", e.text);
		return NET_EXIT_CONFIG;
	}
	start_log(&flags);
	if (!netd.conf.nifaces) {
		log_say(LOG_WARN, "no interfaces configured", "%s; there is nothing to do",
			flags.config);
		log_flush();
		return 0;
	}
	return run(&o);
}
