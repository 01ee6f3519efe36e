/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `reeve lease acquire` holds its leases by staying alive with its connection
 * open, with or without a command. The command is a child, so that the leases
 * end when it does whatever it did to its descriptors, and it gets SIGTERM when
 * this process is killed: it must not go on using cores that were given back.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/cpuset.h"
#include "text.h"
#include "want.h"

enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 }; /* as a shell has them */

struct hold {
	struct reeve *daemon;
	const json_t *reply;
	struct cpuset cpus;
	int64_t expires; /* seconds since 1970; negative: never */
	int signals;	 /* signalfd */
	sigset_t before; /* the mask that the command shall have */
	pid_t child;	 /* 0: none */
	bool lost;	 /* it was said that the leases are gone */
};

struct options {
	struct want want; /* first: the children read it */
	char **command;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &o->want;
		return 0;
	case ARGP_KEY_ARG:
		if (!arg[0])
			argp_error(state, "'%s' is no command", arg);
		o->command = state->argv + state->next - 1;
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Blocked before the request is sent, so that none ends us between grant and hold. */
static int block_signals(struct hold *h)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, &h->before);
	h->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return h->signals < 0 ? cli_fail("signalfd: %s", strerror(errno)) : EXIT_SUCCESS;
}

static int read_grant(struct hold *h)
{
	const char *cpus = json_string_value(json_object_get(h->reply, "cpus"));
	const json_t *lease = json_array_get(json_object_get(h->reply, "leases"), 0);
	const char *expires = json_string_value(json_object_get(lease, "expires"));

	if (!cpus || !lease || cpuset_parse(cpus, &h->cpus) < 0 || cpuset_empty(&h->cpus))
		return cli_fail("the daemon's answer was not understood");
	h->expires = expires ? text_seconds(expires) : -1;
	return EXIT_SUCCESS;
}

static void say_grant(const struct hold *h)
{
	char expires[TEXT_MAX], cpus[TEXT_MAX];
	const json_t *lease;
	size_t i;

	text_member(h->reply, "cpus", cpus);
	json_array_foreach(json_object_get(h->reply, "leases"), i, lease) {
		char id[TEXT_MAX], resource[TEXT_MAX];

		text_member(lease, "lease", id);
		text_member(lease, "resource", resource);
		text_time(lease, "expires", expires);
		printf("lease %s: %s%s%s\n", id, resource, h->expires < 0 ? "" : " until ",
		       h->expires < 0 ? "" : expires);
	}
	printf("Holding CPU %s. Ctrl-C gives it back.\n", cpus);
}

static int pin(const struct cpuset *cpus)
{
	cpu_set_t *set = CPU_ALLOC(CPU_MAX);
	size_t size = CPU_ALLOC_SIZE(CPU_MAX);
	unsigned cpu;
	int r;

	if (!set)
		return -ENOMEM;
	CPU_ZERO_S(size, set);
	cpuset_for_each(cpu, cpus)
		CPU_SET_S(cpu, size, set);
	r = sched_setaffinity(0, size, set) < 0 ? -errno : 0;
	CPU_FREE(set);
	return r;
}

static void run_child(const struct hold *h, pid_t parent, char **command)
{
	int r;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_CANNOT_RUN);
	r = pin(&h->cpus);
	if (r < 0) {
		cli_fail("cannot run on the leased CPUs: %s", strerror(-r));
		_exit(EXIT_CANNOT_RUN);
	}
	sigprocmask(SIG_SETMASK, &h->before, NULL);
	execvp(command[0], command);
	r = errno;
	cli_fail("%s: %s", command[0], strerror(r));
	_exit(r == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

static int start_command(struct hold *h, char **command)
{
	pid_t parent = getpid();

	fflush(stdout);
	h->child = fork();
	if (h->child < 0)
		return cli_fail("fork: %s", strerror(errno));
	if (h->child == 0)
		run_child(h, parent, command);
	return EXIT_SUCCESS;
}

/* -1: the command still runs. */
static int command_status(const struct hold *h)
{
	int status;

	if (waitpid(h->child, &status, WNOHANG) != h->child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * -1: go on. A signal from the terminal has reached the command already, as
 * part of the same process group; one that was sent to us has not.
 */
static int on_signal(const struct hold *h)
{
	struct signalfd_siginfo info;

	if (read(h->signals, &info, sizeof(info)) != sizeof(info))
		return -1;
	if (!h->child)
		return info.ssi_signo == SIGCHLD ? -1 : EXIT_SUCCESS;
	if (info.ssi_signo == SIGCHLD)
		return command_status(h);
	if (info.ssi_code != SI_KERNEL)
		kill(h->child, (int)info.ssi_signo);
	return -1;
}

/* A running command is not ended: only its owner knows whether it may go on. */
static int on_loss(struct hold *h, int status, const char *what)
{
	h->lost = true;
	cli_fail("%s%s", what, h->child ? "; the command goes on without its leases" : "");
	return h->child ? -1 : status;
}

static int ms_to_expiry(const struct hold *h)
{
	int64_t now = (int64_t)(clock_wall_ns() / NS_PER_S), left;

	if (h->expires < 0 || h->lost)
		return -1;
	/* The daemon's time has fractions of a second: one more makes up for them. */
	left = h->expires + 1 - now;
	if (left <= 0)
		return 0;
	return left < INT_MAX / 1000 ? (int)left * 1000 : INT_MAX;
}

static int hold(struct hold *h)
{
	int status = -1;

	while (status < 0) {
		struct pollfd p[] = { { .fd = h->signals, .events = POLLIN },
				      { .fd = reeve_fd(h->daemon), .events = POLLIN } };
		int timeout = ms_to_expiry(h);
		int n = poll(p, h->lost ? 1 : 2, timeout);

		if (n < 0 && errno != EINTR)
			return cli_fail("poll: %s", strerror(errno));
		if (n > 0 && p[0].revents)
			status = on_signal(h);
		else if (n > 0)
			status = on_loss(h, EXIT_FAILURE, "the daemon closed the connection");
		else if (n == 0 && timeout == 0)
			status = on_loss(h, EXIT_SUCCESS, "the time limit ended the lease");
	}
	return status;
}

/* Closing would do, but then a list taken right after us could still show them. */
static void give_back(const struct hold *h)
{
	const json_t *lease;
	size_t i;

	if (h->lost)
		return;
	json_array_foreach(json_object_get(h->reply, "leases"), i, lease)
		reeve_release(h->daemon,
			      (uint64_t)json_integer_value(json_object_get(lease, "lease")));
}

static int hold_grant(const struct cli *cli, struct hold *h, char **command)
{
	int status = read_grant(h);

	if (!status && cli->json)
		status = cli_print_json(h->reply);
	else if (!status && !command)
		say_grant(h);
	fflush(stdout);
	if (!status && command)
		status = start_command(h, command);
	if (!status)
		status = hold(h);
	give_back(h);
	return status;
}

int lease_acquire_main(struct cli *cli, int argc, char **argv)
{
	static const struct argp_child children[] = { { .argp = &want_argp }, { 0 } };
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "[-- COMMAND [ARG...]]",
		.doc = "Lease CPUs and run COMMAND on them, or hold them until interrupted.",
		.children = children,
	};
	_cleanup_reeve_ struct reeve *r = NULL;
	_cleanup_json_ json_t *reply = NULL;
	struct options o = { .want.cli = cli };
	struct hold h = { .signals = -1 };
	json_t *parameters;
	int status;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	parameters = want_json(&o.want);
	if (!parameters)
		return cli_fail("a name that is not UTF-8 text");
	status = block_signals(&h) ?: cli_open(cli, &r);
	if (status) {
		json_decref(parameters);
		return status;
	}
	status = cli_ask(cli, r, "Acquire", parameters, &reply);
	if (status)
		return status;
	h.daemon = r;
	h.reply = reply;
	return hold_grant(cli, &h, o.command);
}
