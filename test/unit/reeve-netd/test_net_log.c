/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve-netd/net_log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"

/* 2026-11-20 18:24:07 UTC */
static const struct net_log_name name = { "machnet", "host", "user",
					  UINT64_C(1795199047) * NS_PER_S, 42 };
#define FILE_NAME "machnet.host.user.log.INFO.20261120-182407.42"
#define LINK_NAME "machnet.INFO"

static char dir[] = "/tmp/net_log.XXXXXX";
static int dir_fd;

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/net_log.XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 01777) < 0)
		return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
	_cleanup_dir_ DIR *d = fdopendir(dir_fd);
	const struct dirent *entry;

	(void)state;
	while (d && (entry = readdir(d)))
		if (unlinkat(dir_fd, entry->d_name, 0) < 0)
			unlinkat(dir_fd, entry->d_name, AT_REMOVEDIR);
	return rmdir(dir);
}

static unsigned files(void)
{
	_cleanup_dir_ DIR *d = opendir(dir);
	const struct dirent *entry;
	unsigned n = 0;

	assert_non_null(d);
	while ((entry = readdir(d)))
		n += entry->d_name[0] != '.';
	return n;
}

static int create(const struct net_log_name *n)
{
	struct err e = { 0 };
	int fd = net_log_create(dir, n, &e);

	if (fd < 0)
		fail_msg("%s", e.text);
	return fd;
}

static void assert_link(const char *target)
{
	char is[256] = "";

	assert_true(readlinkat(dir_fd, LINK_NAME, is, sizeof(is) - 1) > 0);
	assert_string_equal(is, target);
}

static void assert_content(const char *file, const char *text)
{
	char is[64];

	assert_int_equal(fd_read_file(dir_fd, file, is, sizeof(is)), strlen(text));
	assert_string_equal(is, text);
}

static void put_file(const char *file)
{
	_cleanup_fd_ int fd = openat(dir_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "theirs", 6), 6);
}

static void assert_not_created(int code)
{
	struct err e = { 0 };

	assert_int_equal(net_log_create(dir, &name, &e), -code);
	assert_int_equal(e.code, code);
}

static void test_new(void **state)
{
	_cleanup_fd_ int fd = create(&name);
	struct stat st;

	(void)state;
	assert_int_equal(fstatat(dir_fd, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(fd, "line", 4), 4);
	assert_link(FILE_NAME);
	assert_content(LINK_NAME, "line");
	assert_int_equal(files(), 2);
}

static void test_link_is_moved(void **state)
{
	struct net_log_name later = name;
	_cleanup_fd_ int fd = -1;

	(void)state;
	close(create(&name));
	later.pid = 43;
	fd = create(&later);
	assert_link("machnet.host.user.log.INFO.20261120-182407.43");
	assert_int_equal(files(), 3);
}

static void test_odd_names(void **state)
{
	struct net_log_name odd = name;
	_cleanup_fd_ int fd = -1;

	(void)state;
	odd.host = "../a b";
	odd.user = "dom\\user\n";
	fd = create(&odd);
	assert_link("machnet..._a_b.dom_user_.log.INFO.20261120-182407.42");
}

/* --- what somebody else has put there -------------------------------------- */

static void test_file_exists(void **state)
{
	struct err e = { 0 };
	char sentence[256];

	(void)state;
	put_file(FILE_NAME);
	assert_int_equal(net_log_create(dir, &name, &e), -EEXIST);
	snprintf(sentence, sizeof(sentence), "can't log to %s/" FILE_NAME ": File exists", dir);
	assert_string_equal(e.text, sentence);
	assert_content(FILE_NAME, "theirs");
	assert_int_equal(files(), 1);
}

static void test_file_is_a_link(void **state)
{
	(void)state;
	put_file("victim");
	assert_int_equal(symlinkat("victim", dir_fd, FILE_NAME), 0);
	assert_not_created(EEXIST);
	assert_content("victim", "theirs");
	unlinkat(dir_fd, FILE_NAME, 0);

	assert_int_equal(symlinkat("nothing-yet", dir_fd, FILE_NAME), 0);
	assert_not_created(EEXIST);
	assert_int_equal(faccessat(dir_fd, "nothing-yet", F_OK, 0), -1);
}

static void test_file_is_a_fifo(void **state)
{
	(void)state;
	assert_int_equal(mkfifoat(dir_fd, FILE_NAME, 0666), 0);
	assert_not_created(EEXIST);
}

static void test_link_is_a_file(void **state)
{
	_cleanup_fd_ int fd = -1;

	(void)state;
	put_file(LINK_NAME);
	fd = create(&name);
	assert_content(LINK_NAME, "theirs");
	assert_int_equal(files(), 2);
}

static void test_link_is_a_directory(void **state)
{
	_cleanup_fd_ int fd = -1;

	(void)state;
	assert_int_equal(mkdirat(dir_fd, LINK_NAME, 0777), 0);
	fd = create(&name);
	assert_int_equal(files(), 2);
}

/* Ours, but it leads elsewhere: it is replaced, and what it led to is not touched. */
static void test_link_leads_elsewhere(void **state)
{
	_cleanup_fd_ int fd = -1;

	(void)state;
	put_file("victim");
	assert_int_equal(symlinkat("victim", dir_fd, LINK_NAME), 0);
	fd = create(&name);
	assert_int_equal(write(fd, "line", 4), 4);
	assert_link(FILE_NAME);
	assert_content("victim", "theirs");
}

static void test_link_is_foreign(void **state)
{
	_cleanup_fd_ int fd = -1;

	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(symlinkat("victim", dir_fd, LINK_NAME), 0);
	assert_int_equal(fchownat(dir_fd, LINK_NAME, 12345, 12345, AT_SYMLINK_NOFOLLOW), 0);
	fd = create(&name);
	assert_link("victim");
	assert_int_equal(faccessat(dir_fd, "victim", F_OK, 0), -1);
	assert_int_equal(files(), 2);
}

static void test_temporary_is_taken(void **state)
{
	_cleanup_fd_ int fd = -1;

	(void)state;
	put_file(FILE_NAME ".link");
	assert_int_equal(symlinkat("old", dir_fd, LINK_NAME), 0);
	fd = create(&name);
	assert_link("old");
	assert_content(FILE_NAME ".link", "theirs");
}

static void test_bad_dirs(void **state)
{
	struct err e = { 0 };
	char sentence[128];

	(void)state;
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(net_log_create(dir, &name, &e), -EPERM);
	snprintf(sentence, sizeof(sentence), "can't log to %s: anybody may rename files there",
		 dir);
	assert_string_equal(e.text, sentence);
	assert_int_equal(files(), 0);
	assert_int_equal(net_log_create("/nonexistent", &name, &e), -ENOENT);
	assert_string_equal(e.text, "can't log to /nonexistent: No such file or directory");
	assert_int_equal(net_log_create("/dev/null", &name, &e), -ENOTDIR);
}

/* --- as programs use it ---------------------------------------------------- */

static void test_level(void **state)
{
	(void)state;
	assert_int_equal(net_log_level(&(struct net_std_flags){ 0 }), LOG_INFO);
	assert_int_equal(net_log_level(&(struct net_std_flags){ .v = 1 }), LOG_DEBUG);
	assert_int_equal(net_log_level(&(struct net_std_flags){ .minloglevel = 1, .v = 1 }),
			 LOG_WARN);
	assert_int_equal(net_log_level(&(struct net_std_flags){ .minloglevel = 2 }), LOG_ERR);
	assert_int_equal(net_log_level(&(struct net_std_flags){ .minloglevel = 3 }), LOG_ERR);
}

static void test_start_in_file(void **state)
{
	struct net_std_flags f = { .log_dir = dir };
	struct err e = { 0 };
	char text[256];

	(void)state;
	assert_int_equal(net_log_start("machnet", &f, &e), 0);
	assert_int_equal(files(), 2);
	log_say(LOG_INFO, "hello", "because");
	log_flush();
	assert_true(fd_read_file(dir_fd, LINK_NAME, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, " info hello why=because\n"));
}

static void test_start_on_stderr(void **state)
{
	struct net_std_flags bad = { .log_dir = "/nonexistent" };
	struct net_std_flags f = { .log_dir = dir, .logtostderr = true };
	_cleanup_fd_ int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	struct err e = { 0 };
	char text[256] = "";
	int p[2], r;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	assert_true(dup2(p[1], STDERR_FILENO) >= 0);
	net_log_start("machnet", &f, &e);
	log_say(LOG_INFO, "asked", "x");
	log_flush();
	r = net_log_start("machnet", &bad, &e);
	log_say(LOG_WARN, "refused", "%s", e.text);
	log_flush();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);

	assert_int_equal(r, -ENOENT);
	assert_int_equal(files(), 0);
	assert_true(read(p[0], text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, " info asked why=x\n"));
	assert_non_null(strstr(text, " warn refused why=\"can't log to /nonexistent: "));
	close(p[0]);
	close(p[1]);
}

#define test(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_new),
		test(test_link_is_moved),
		test(test_odd_names),
		test(test_file_exists),
		test(test_file_is_a_link),
		test(test_file_is_a_fifo),
		test(test_link_is_a_file),
		test(test_link_is_a_directory),
		test(test_link_leads_elsewhere),
		test(test_link_is_foreign),
		test(test_temporary_is_taken),
		test(test_bad_dirs),
		test(test_level),
		test(test_start_in_file),
		test(test_start_on_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
