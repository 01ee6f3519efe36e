/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /tmp is everybody's, and names with a time and a pid can be guessed. So a file is ours
 * only if this call made it (O_EXCL follows no link), and a link is replaced only by
 * rename, which replaces the link itself whatever it points to. Who takes the names first
 * gets nothing but that we log to stderr.
 */
#include "reeve-netd/net_log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"

enum { DIR_SHOWN = 80, NAME_ROOM = NAME_MAX + 1 };

static int open_dir(const char *dir, struct err *e)
{
	_cleanup_fd_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char shown[DIR_SHOWN];
	struct stat st;

	str_escape(shown, sizeof(shown), dir, strlen(dir));
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(e, errno, "can't log to %s: %s", shown, strerror(errno));
	if (st.st_mode & S_IWOTH && !(st.st_mode & S_ISVTX))
		return fail(e, EPERM, "can't log to %s: anybody may rename files there", shown);
	return take_fd(&fd);
}

/* Parts of the name that come from elsewhere. */
static void put_part(char to[static NAME_ROOM], const char *from)
{
	char part[65];

	str_copy(part, sizeof(part), from);
	for (char *p = part; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
			*p = '_';
	str_append(to, NAME_ROOM, part);
}

/* In UTC, as the lines of the log. */
static void file_name(const struct net_log_name *n, char ret[static NAME_ROOM])
{
	time_t seconds = (time_t)(n->wall_ns / NS_PER_S);
	char when[32], pid[16];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
	snprintf(pid, sizeof(pid), "%d", (int)n->pid);
	ret[0] = '\0';
	for (const char *const *p = (const char *const[]){ n->program, ".", n->host, ".", n->user,
							   ".log.INFO.", when, ".", pid, NULL };
	     *p; p++)
		put_part(ret, *p);
}

/* --- the link to the latest ----------------------------------------------- */

static bool is_own_link(int dir, const char *link)
{
	struct stat st;

	return fstatat(dir, link, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode) &&
	       st.st_uid == geteuid();
}

static void replace_link(int dir, const char *link, const char *target)
{
	char temporary[NAME_ROOM + 8];

	snprintf(temporary, sizeof(temporary), "%s.link", target);
	if (symlinkat(target, dir, temporary) < 0)
		return;
	if (renameat(dir, temporary, dir, link) < 0)
		unlinkat(dir, temporary, 0);
}

/* In a sticky directory what is ours stays ours between the look and the rename. */
static void point_to(int dir, const char *program, const char *target)
{
	char link[NAME_ROOM] = "";

	put_part(link, program);
	str_append(link, sizeof(link), ".INFO");
	if (symlinkat(target, dir, link) == 0 || errno != EEXIST)
		return;
	if (is_own_link(dir, link))
		replace_link(dir, link, target);
}

int net_log_create(const char *dir, const struct net_log_name *name, struct err *e)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_APPEND | O_CLOEXEC;
	_cleanup_fd_ int dir_fd = open_dir(dir, e), fd = -1;
	char file[NAME_ROOM], shown[DIR_SHOWN];

	if (dir_fd < 0)
		return dir_fd;
	file_name(name, file);
	fd = openat(dir_fd, file, flags, 0600);
	if (fd < 0) {
		str_escape(shown, sizeof(shown), dir, strlen(dir));
		return fail(e, errno, "can't log to %s/%.120s: %s", shown, file, strerror(errno));
	}
	point_to(dir_fd, name->program, file);
	return take_fd(&fd);
}

/* --- a program's own ------------------------------------------------------ */

enum log_level net_log_level(const struct net_std_flags *f)
{
	if (f->minloglevel >= 2)
		return LOG_ERR;
	if (f->minloglevel == 1)
		return LOG_WARN;
	return f->v ? LOG_DEBUG : LOG_INFO;
}

/* A description of its own, so that O_NONBLOCK touches nobody else's; a file needs none. */
static int open_stderr(void)
{
	struct stat st;
	int fd = -1;

	if (fstat(STDERR_FILENO, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? STDERR_FILENO : fd;
}

static int create(const char *program, const struct net_std_flags *f, struct err *e)
{
	struct net_log_name name = { .program = program,
				     .wall_ns = clock_wall_ns(),
				     .pid = getpid() };
	const struct passwd *pw = getpwuid(geteuid());
	char host[HOST_NAME_MAX + 1] = "", uid[16];

	if (gethostname(host, sizeof(host) - 1) < 0 || !host[0])
		str_copy(host, sizeof(host), "unknown");
	snprintf(uid, sizeof(uid), "%u", geteuid());
	name.host = host;
	name.user = pw ? pw->pw_name : uid;
	return net_log_create(f->log_dir && *f->log_dir ? f->log_dir : NET_LOG_DIR, &name, e);
}

int net_log_start(const char *program, const struct net_std_flags *f, struct err *e)
{
	int r = 0, fd = -1;

	if (!f->logtostderr && !f->alsologtostderr) {
		fd = create(program, f, e);
		r = fd < 0 ? fd : 0;
	}
	log_setup(fd < 0 ? open_stderr() : fd, f->log_json ? LOG_JSON : LOG_TEXT, net_log_level(f));
	return r;
}
