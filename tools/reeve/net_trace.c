/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What passes an interface, into a file. netd writes into a pipe; here it is only carried
 * on. SIGINT ends it: the pipe goes with this process, and netd takes its taps away.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net.h"

enum { STEP = 65536 };

struct options {
	struct cli *cli;
	const char *iface, *file;
	int engine;
};

static const struct argp_option options[] = {
	{ "interface", 'i', "IFACE", 0, "What passes this interface; the only one may be left out",
	  0 },
	{ "engine", 'e', "NUMBER", 0, "Of this engine only", 0 },
	{ "write", 'w', "FILE", 0, "Write to FILE, '-' for stdout, which it is without", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	char *end;

	switch (key) {
	case 'i':
		o->iface = arg;
		return 0;
	case 'e':
		o->engine = (int)strtol(arg, &end, 10);
		if (end == arg || *end || o->engine < 0 || o->engine > 15)
			argp_error(state, "'%s' is no engine", arg);
		return 0;
	case 'w':
		o->file = arg;
		return 0;
	default:
		return cli_parse_rest(key, arg, state, o->cli);
	}
}

static volatile sig_atomic_t stopped;
static sigset_t while_waiting;

static void on_signal(int signo)
{
	(void)signo;
	stopped = 1;
}

/* They come only while we wait, so none is missed between a look and a wait. */
static void watch_signals(void)
{
	const struct sigaction sa = { .sa_handler = on_signal };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &while_waiting);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int open_output(const struct options *o)
{
	if (!o->file || !strcmp(o->file, "-"))
		return STDOUT_FILENO;
	return open(o->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* -EAGAIN: nothing is there; -ENODATA: netd has ended it. */
static int carry_some(int from, int to)
{
	static char buf[STEP];
	ssize_t n = read(from, buf, sizeof(buf));

	if (n == 0)
		return -ENODATA;
	return n < 0 ? -errno : write_all(to, buf, (size_t)n);
}

/* Until a signal comes, or somebody leaves; what is in the pipe by then is still written. */
static int carry(int from, int to)
{
	struct pollfd fds[] = { { .fd = from, .events = POLLIN }, { .fd = to } };
	int r = 0;

	fcntl(from, F_SETFL, O_NONBLOCK);
	while (!stopped && (r == 0 || r == -EAGAIN)) {
		ppoll(fds, 2, NULL, &while_waiting);
		r = (fds[1].revents & POLLERR) ? -EPIPE : carry_some(from, to);
	}
	while (stopped && r == 0)
		r = carry_some(from, to);
	if (r == 0 || r == -EAGAIN || r == -EPIPE || r == -ENODATA)
		return EXIT_SUCCESS;
	return cli_fail("can't write the trace: %s", strerror(-r));
}

static int only_iface(const struct cli *cli, struct conn *c, json_t **ret)
{
	_cleanup_json_ json_t *reply = NULL;
	int status = net_ask(cli, c, "Status", NULL, &reply);
	json_t *list;

	if (status)
		return status;
	list = json_object_get(reply, "interfaces");
	if (json_array_size(list) != 1)
		return cli_fail("there are %zu interfaces: which one? (-i)", json_array_size(list));
	*ret = json_incref(json_object_get(json_array_get(list, 0), "name"));
	return EXIT_SUCCESS;
}

static int ask(const struct options *o, struct conn *c, int *ret_fd)
{
	_cleanup_json_ json_t *name = NULL, *reply = NULL;
	struct err e = { 0 };
	json_t *parameters;
	int status = 0;

	if (o->iface)
		name = json_string(o->iface);
	else
		status = only_iface(o->cli, c, &name);
	if (status)
		return status;
	parameters = json_pack("{s:O}", "interface", name);
	if (o->engine >= 0)
		json_object_set_new(parameters, "engine", json_integer(o->engine));
	status = net_ask(o->cli, c, "Trace", parameters, &reply);
	if (status)
		return status;
	if (conn_take_fds(c, ret_fd, 1, &e) < 0)
		return cli_fail("%s", e.text);
	if (o->cli->json && o->file)
		cli_print_json(reply);
	return EXIT_SUCCESS;
}

int net_trace_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = { .options = options,
					  .parser = parse,
					  .doc = "Write what passes an interface as pcap-ng, until "
						 "SIGINT or the end of netd.",
					  .children = cli_common };
	struct options o = { .cli = cli, .engine = -1 };
	_cleanup_conn_ struct conn c = { .fd = -1 };
	_cleanup_fd_ int pipe = -1;
	int out, status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	out = open_output(&o);
	if (out < 0)
		return cli_fail("can't write to %s: %s", o.file, strerror(errno));
	if (isatty(out))
		return cli_fail("packets are not for a terminal: use -w FILE, or a pipe");
	watch_signals();
	status = net_open(cli, &c);
	if (!status)
		status = ask(&o, &c, &pipe);
	return status ?: carry(pipe, out);
}
