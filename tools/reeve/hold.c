/* SPDX-License-Identifier: BSD-3-Clause */
#include "hold.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "text.h"

enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 }; /* as a shell has them */

static void take_argument(struct hold_args *args, char *arg, struct argp_state *state)
{
	if (args->of_nic && !args->nic) {
		args->nic = arg;
		return;
	}
	if (!arg[0])
		argp_error(state, "'%s' is no command", arg);
	args->command = state->argv + state->next - 1;
	state->next = state->argc;
}

error_t hold_parse_rest(int key, char *arg, struct argp_state *state, struct hold_args *args,
			void *child)
{
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = child;
		return 0;
	case ARGP_KEY_ARG:
		take_argument(args, arg, state);
		return 0;
	case ARGP_KEY_END:
		if (args->of_nic && !args->nic)
			argp_error(state, "of which NIC?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

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

int hold_begin(struct hold *h)
{
	h->leases = json_array();
	if (!h->leases)
		return cli_fail("out of memory");
	return block_signals(h) ?: cli_open(h->cli, &h->daemon);
}

static void note_expiry(struct hold *h, const json_t *lease)
{
	const char *text = json_string_value(json_object_get(lease, "expires"));
	int64_t at = text ? text_seconds(text) : -1;

	if (at >= 0 && (h->expires < 0 || at < h->expires))
		h->expires = at;
}

static int add_one(struct hold *h, const json_t *lease)
{
	if (!json_is_integer(json_object_get(lease, "lease")))
		return cli_fail("the daemon's answer was not understood");
	note_expiry(h, lease);
	if (json_array_append(h->leases, (json_t *)lease) < 0)
		return cli_fail("out of memory");
	return EXIT_SUCCESS;
}

int hold_add(struct hold *h, const json_t *leases)
{
	int status = EXIT_SUCCESS;
	const json_t *lease;
	size_t i;

	if (!json_is_array(leases))
		return add_one(h, leases);
	json_array_foreach(leases, i, lease)
		if (!status)
			status = add_one(h, lease);
	return status;
}

static void say_grant(const struct hold *h, const char *what)
{
	const json_t *lease;
	size_t i;

	json_array_foreach(h->leases, i, lease) {
		char id[TEXT_MAX], resource[TEXT_MAX], expires[TEXT_MAX];
		bool ends = json_object_get(lease, "expires");

		text_member(lease, "lease", id);
		text_member(lease, "resource", resource);
		text_time(lease, "expires", expires);
		printf("lease %s: %s%s%s\n", id, resource, ends ? " until " : "",
		       ends ? expires : "");
	}
	fputs("Holding ", stdout);
	text_print(stdout, what);
	puts(". Ctrl-C gives it back.");
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
	r = cpuset_empty(&h->cpus) ? 0 : pin(&h->cpus);
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

int hold_until(struct hold *h, const json_t *reply, const char *what, char **command)
{
	int status = EXIT_SUCCESS;

	if (h->cli->json)
		status = cli_print_json(reply);
	else if (!command)
		say_grant(h, what);
	fflush(stdout);
	if (!status && command)
		status = start_command(h, command);
	return status ?: hold(h);
}

/* Closing would do, but then a list taken right after us could still show them. */
void hold_end(struct hold *h)
{
	size_t n = h->lost || !h->daemon ? 0 : json_array_size(h->leases);

	while (n--) {
		const json_t *id = json_object_get(json_array_get(h->leases, n), "lease");

		reeve_release(h->daemon, (uint64_t)json_integer_value(id));
	}
	reeve_close(h->daemon);
	json_decref(h->leases);
	h->daemon = NULL;
	h->leases = NULL;
}
