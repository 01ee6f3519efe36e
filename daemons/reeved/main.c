/* SPDX-License-Identifier: BSD-3-Clause */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/notify.h"
#include "journal/head.h"
#include "reeved.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_CONFIG = 2 };
/* For the core to end; then for interfaces to be put back. Less than the unit's TimeoutStopSec. */
enum { STOP_CORE_S = 2, STOP_NICS_S = 6 };
/* Not for clients: the former, and one in NIC_SHARE for the maps of interfaces. */
enum { FDS_OF_OUR_OWN = 64, NIC_SHARE = 16, FDS_MOST = 1 << 20 };

static struct reeved reeved = {
	.opt = { .runtime_dir = "/run/reeve",
		 .state_dir = "/var/lib/reeve",
		 .log_format = LOG_FORMAT_MAX,
		 .log_level = LOG_LEVEL_MAX },
	.core = { .pidfd = -1, .sock = -1 },
	.netd = { .pidfd = -1, .status.fd = -1, .apps.fd = -1 },
	.doors = { [PP_DOOR_NATIVE].fd = -1, [PP_DOOR_MTL].fd = -1 },
	.lock_fd = -1,
	.journal_fd = -1,
	.null_fd = -1,
	.cgroup_fd = -1,
	.log_fd = STDOUT_FILENO,
};

enum { KEY_RUNTIME = 256, KEY_STATE, KEY_LEVEL, KEY_FORMAT, KEY_PLANE, KEY_CHECK, KEY_TAKES_OVER };

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "Read FILE instead of /etc/reeve/reeve.conf", 0 },
	{ "runtime-dir", KEY_RUNTIME, "DIR", 0, "Sockets and lease state (/run/reeve)", 0 },
	{ "state-dir", KEY_STATE, "DIR", 0, "What outlives a boot (/var/lib/reeve)", 0 },
	{ "log-level", KEY_LEVEL, "LEVEL", 0, "error, warn, info or debug", 0 },
	{ "log-format", KEY_FORMAT, "FORMAT", 0, "text or json", 0 },
	{ "plane", KEY_PLANE, "PLANE", 0, "Serve only this plane (mtl, stack); may be repeated",
	  0 },
	{ "check", KEY_CHECK, NULL, 0, "Check the config and exit", 0 },
	{ "takes-over", KEY_TAKES_OVER, "VERSION", OPTION_HIDDEN, NULL, 0 },
	{ 0 },
};

static uint32_t pick(struct argp_state *state, const char *arg, const char *what,
		     const char *const *names, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!strcmp(arg, names[i]))
			return i;
	argp_error(state, "'%s' is no %s", arg, what);
	return 0;
}

static int parse_option(int key, char *arg, struct argp_state *state)
{
	static const char *const levels[LOG_LEVEL_MAX] = { "error", "warn", "info", "debug" };
	static const char *const formats[LOG_FORMAT_MAX] = { "text", "json" };
	struct options *o = state->input;

	switch (key) {
	case 'c':
		o->config = arg;
		return 0;
	case KEY_RUNTIME:
		o->runtime_dir = arg;
		return 0;
	case KEY_STATE:
		o->state_dir = arg;
		return 0;
	case KEY_LEVEL:
		o->log_level = pick(state, arg, "log level", levels, LOG_LEVEL_MAX);
		return 0;
	case KEY_FORMAT:
		o->log_format = pick(state, arg, "log format", formats, LOG_FORMAT_MAX);
		return 0;
	case KEY_PLANE:
		if (plane_parse(arg) < 0)
			argp_error(state, "'%s' is no plane", arg);
		o->planes |= 1U << plane_parse(arg);
		return 0;
	case KEY_CHECK:
		o->check = true;
		return 0;
	case KEY_TAKES_OVER:
		o->takes_over = (uint32_t)strtoul(arg, NULL, 10);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not understood", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = options,
	.parser = parse_option,
	.doc = "Leases this host's cores to tenants who do not trust one another, and takes them "
	       "back when they end.",
};

/* A closed stdin or stdout would give its number to the first socket. */
static void fill_std_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* The core has them too: what a file holds already is not written over. */
static void append_only(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		fcntl(fd, F_SETFL, flags | O_APPEND);
}

/*
 * A description of its own for each process, so that O_NONBLOCK touches nobody
 * else's. Not for a file, which never blocks and whose offset is shared with
 * stderr; a socket can't be opened so, the log sends to it without waiting.
 */
int reeved_open_log(void)
{
	struct stat st;
	int fd = -1;

	if (fstat(STDOUT_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : fd;
}

void reeved_setup_log(const struct reeved *d)
{
	log_setup(d->log_fd, conf_log_format(&d->conf, d->opt.log_format),
		  conf_log_level(&d->conf, d->opt.log_level));
}

static uint32_t raise_fd_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 1024;
	lim.rlim_cur = lim.rlim_max < FDS_MOST ? lim.rlim_max : FDS_MOST;
	setrlimit(RLIMIT_NOFILE, &lim);
	return getrlimit(RLIMIT_NOFILE, &lim) < 0 ? 1024 : (uint32_t)lim.rlim_cur;
}

/* What sockets and maps for clients are counted against; root may lift it in a container. */
static void raise_memory_limit(void)
{
	struct rlimit lim = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &lim) == 0 || getrlimit(RLIMIT_MEMLOCK, &lim) < 0)
		return;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &lim);
}

static int make_dir(const char *path, mode_t mode, struct err *e)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return fail(e, errno, "can't make the directory %s: %m", path);
	return 0;
}

/* One daemon for each runtime directory: there is never a second ledger. */
static int take_lock(struct reeved *d, struct err *e)
{
	char path[PATH_MAX], pid[16] = "";
	_cleanup_fd_ int fd = -1;

	/* It was never let go: our predecessor is this very process. */
	if (d->handover) {
		d->lock_fd = d->handover->lock_fd;
		return 0;
	}

	snprintf(path, sizeof(path), "%s/reeved.lock", d->opt.runtime_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return fail(e, errno, "can't open %s: %m", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

		pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
		return fail(e, EADDRINUSE, "another reeved (pid %s) runs on %s",
			    pid[0] ? pid : "unknown", d->opt.runtime_dir);
	}
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		return fail(e, errno, "can't write %s: %m", path);
	d->lock_fd = take_fd(&fd);
	return 0;
}

static int open_files(struct reeved *d, struct err *e)
{
	char path[PATH_MAX];
	int r;

	r = make_dir(d->opt.runtime_dir, 0755, e);
	if (r == 0)
		r = take_lock(d, e);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/state", d->opt.runtime_dir);
	r = make_dir(path, 0700, e);
	if (r < 0)
		return r;
	r = journal_open(d, e);
	if (r < 0)
		return r;
	d->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (d->null_fd < 0)
		return fail(e, errno, "can't open /dev/null: %m");
	r = cgroups_open(d, e);
	if (r == 0)
		r = nics_open(d, e);
	return r < 0 ? r : netd_open(d, e);
}

static int open_doors(struct reeved *d, struct err *e)
{
	char path[CONF_PATH_MAX];
	int r;

	if (d->opt.planes & d->conf.closed)
		return fail(e, EPERM, "the config closes the plane that --plane asks for");
	if (door_path(d, PP_DOOR_NATIVE, path) < 0)
		return fail(e, ENAMETOOLONG, "the runtime directory's path is too long");
	r = door_open(d, PP_DOOR_NATIVE, path, e);
	return r < 0 ? r : planes_adjust(d, e);
}

static void stop(struct reeved *d, const char *why)
{
	if (d->stopping)
		return;
	d->stopping = true;
	log_say(LOG_INFO, "stopping", "%s; %u clients are connected", why, d->clients.count);
	notify_send("STOPPING=1");
	doors_adjust(d);
	if (!d->keep)
		netd_stop(d);
	core_stop(d);
	/* The core closes its clients and exits; should it not, the alarm ends it. */
	alarm(STOP_CORE_S);
}

void reeved_stop(struct reeved *d, bool keep)
{
	d->keep = keep && !d->stopping;
	stop(d, d->keep ? "an administrator wants it to, and all is left as it is"
			: "an administrator wants it to");
}

static void stop_by_signal(struct reeved *d, int signo)
{
	char why[32];

	snprintf(why, sizeof(why), "signal %d", signo);
	stop(d, why);
}

/* Once for the core, once for all the rest. */
static void took_too_long(struct reeved *d)
{
	static bool again;

	if (again) {
		log_say(LOG_WARN, "not all was put back in time", "the next start goes on with it");
		loop_exit(d->loop, 0);
		return;
	}
	again = true;
	core_kill(d, "it did not stop in time");
	netd_kill(d);
	alarm(STOP_NICS_S);
}

void reeved_may_end(struct reeved *d)
{
	if (d->stopping && !d->core.pid && (d->keep || (nics_idle(&d->nics) && !d->netd.pid)))
		loop_exit(d->loop, 0);
}

static void on_signal(struct watch *w, uint32_t events)
{
	struct reeved *d = watch_owner(w, struct reeved, signal_watch);
	int signo;

	(void)events;
	signo = loop_signal_next(w->fd);
	if (signo > 0) { /* one a turn: others have theirs */
		if (signo == SIGHUP)
			reload_start(d);
		else if (signo == SIGALRM)
			took_too_long(d);
		else
			stop_by_signal(d, signo);
	}
}

static int watch_signals(struct reeved *d)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = loop_signals(&set);
	return fd < 0 ? fd : loop_add(d->loop, &d->signal_watch, fd, EPOLLIN, on_signal);
}

static void first_ready(struct reeved *d)
{
	d->core.ready = true;
	FAULT_HERE(REEVED_READY);
	log_say(LOG_INFO, d->announced ? "ready again" : "ready", "native socket %s, MTL socket %s",
		d->doors[PP_DOOR_NATIVE].path,
		d->doors[PP_DOOR_MTL].fd >= 0 ? d->doors[PP_DOOR_MTL].path : "closed");
	log_flush();
	d->announced = true;
	d->upgraded = false;
	doors_adjust(d);
	netd_adjust(d, d->netd.wanted);
	notify_send("READY=1");
}

void reeved_core_ready(struct reeved *d, const struct pp_ready *m)
{
	if (m->head.serial != d->sent_serial)
		return;
	if (d->core.ready) {
		reload_answer(d, m);
		return;
	}
	first_ready(d);
}

static void on_idle(void *arg)
{
	fdstore_flush(arg);
	log_flush();
}

static int start(struct reeved *d, struct err *e)
{
	uint32_t fds = raise_fd_limit(), clients = fds - fds / NIC_SHARE - FDS_OF_OUR_OWN;
	int r;

	raise_memory_limit();
	if (fds <= 2 * FDS_OF_OUR_OWN)
		return fail(e, EMFILE, "a limit of %u open files leaves no room for clients", fds);
	r = loop_new(&d->loop);
	if (r == 0)
		r = watch_signals(d);
	if (r == 0)
		r = clients_init(&d->clients, clients < PP_CLIENTS_MAX ? clients : PP_CLIENTS_MAX);
	if (r < 0)
		return fail(e, -r, "can't set up: %s", strerror(-r));
	loop_on_idle(d->loop, on_idle, d);
	d->upgraded = d->handover != NULL;
	r = open_files(d, e);
	if (r == 0)
		r = fdstore_open(d, e);
	fdstore_take(d);
	if (r == 0)
		r = open_doors(d, e);
	handover_clients(d);
	fdstore_clean(d);
	return r < 0 ? r : core_open(d, e);
}

static int give_up(struct reeved *d, int code, const struct err *e)
{
	door_close(d, PP_DOOR_MTL);
	door_close(d, PP_DOOR_NATIVE);
	log_flush();
	fprintf(stderr, "reeved: %s\n", e->text);
	return code;
}

/* One that fails leaves to the next what others hold. */
static bool gives_back(const struct reeved *d, int code)
{
	return code == EXIT_OK ? !d->keep : !d->announced && !core_took_over(d);
}

static int run(struct reeved *d)
{
	int code = loop_run(d->loop);

	if (gives_back(d, code)) {
		cgroups_restore(d, true);
		journal_wipe(d);
	}
	door_close(d, PP_DOOR_MTL);
	door_close(d, PP_DOOR_NATIVE);
	if (code == EXIT_OK)
		log_say(LOG_INFO, "stopped", "pid %d", (int)getpid());
	log_flush();
	if (code < 0)
		fprintf(stderr, "reeved: the event loop failed: %s\n", strerror(-code));
	else if (code)
		fprintf(stderr, "reeved: the core could not start; its own words are above\n");
	return code ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	struct reeved *d = &reeved;
	struct err e = { 0 };

	/* Assigned, since a definition of ours would be hidden from libc. */
	argp_program_version = "reeved " REEVE_VERSION;
	argp_err_exit_status = EXIT_CONFIG;
	d->argv = argv;
	argp_parse(&parser, argc, argv, 0, NULL, &d->opt);
	fill_std_fds();
	append_only(STDOUT_FILENO);
	append_only(STDERR_FILENO);
	d->log_fd = reeved_open_log();
	if (geteuid() != 0) {
		fail(&e, EPERM, "must be started by root");
		return give_up(d, EXIT_FAILED, &e);
	}
	if (child_find(d, &e) < 0)
		return give_up(d, EXIT_FAILED, &e);
	if (config_read(&d->opt, d->libexec, &d->conf, &e) < 0)
		return give_up(d, EXIT_CONFIG, &e);
	if (d->opt.takes_over && d->opt.takes_over != JOURNAL_VERSION) {
		fail(&e, EPROTO, "it reads journals of version %d, and this one is of %u",
		     JOURNAL_VERSION, d->opt.takes_over);
		return give_up(d, EXIT_FAILED, &e);
	}
	if (d->opt.takes_over)
		return EXIT_OK;
	if (d->opt.check) {
		printf("the config is sound: %u tenants\n", d->conf.ntenants);
		return EXIT_OK;
	}
	reeved_setup_log(d);
	if (handover_take(d, &e) < 0)
		return give_up(d, EXIT_FAILED, &e);
	if (start(d, &e) < 0)
		return give_up(d, EXIT_FAILED, &e);
	return run(d);
}
