/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/channel.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "shim/bufs.h"

static struct memory m;
static struct channel *c;
static int theirs; /* the other end of the channel's socket */

static int begin(void **state)
{
	int socks[2];

	(void)state;
	memory_make(&m, 256);
	m.stats->rings = CHAN_RINGS;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), errno);
	assert_int_equal(channel_map(m.fd, socks[0], &c), 0);
	theirs = socks[1];
	return 0;
}

static int end(void **state)
{
	(void)state;
	channel_unmap(c);
	close(theirs);
	memory_close(&m);
	return 0;
}

static int bells(void)
{
	char bytes[256];
	ssize_t n = recv(theirs, bytes, sizeof(bytes), MSG_DONTWAIT);

	return n < 0 ? 0 : (int)n;
}

/* --- the mapping ---------------------------------------------------------------------------- */

static void test_the_address_is_the_memorys(void **state)
{
	uint8_t *ctx = channel_ctx(c);

	(void)state;
	assert_memory_equal(ctx, m.at, sizeof(struct chan_ctx));
	ctx[m.size - 1] = 0x5a;
	assert_int_equal(m.at[m.size - 1], 0x5a);
	assert_int_equal(c->size, m.size);
	assert_ptr_equal(channel_of(ctx), c);
	assert_null(channel_of(NULL));
	assert_null(channel_of(ctx + 1));
	assert_null(channel_of(ctx + 4096)); /* 64 bytes before are zero */
}

static void fails(int fd, int error)
{
	struct channel *none = NULL;

	assert_int_equal(channel_map(fd, -1, &none), error);
	assert_null(none);
	if (fd >= 0)
		close(fd);
}

static int file_of(off_t size)
{
	int fd = memfd_create("x", MFD_CLOEXEC);

	assert_return_code(ftruncate(fd, size), errno);
	return fd;
}

static void test_files_that_are_no_channel(void **state)
{
	int pipes[2];

	(void)state;
	fails(-1, -EBADF);
	fails(file_of(0), -EPROTO);
	fails(file_of(sizeof(struct chan_ctx) - 1), -EPROTO);
	fails(file_of(1 << 20), -EPROTO);
	fails(file_of((off_t)1 << 40), -EPROTO);
	fails(open("/dev/zero", O_RDWR | O_CLOEXEC), -EPROTO);
	assert_return_code(pipe2(pipes, O_CLOEXEC), errno);
	fails(pipes[0], -EPROTO);
	close(pipes[1]);
}

static void test_a_file_that_can_not_be_written(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", m.fd);
	fails(open(path, O_RDONLY | O_CLOEXEC), -EACCES);
}

/* A file of huge pages; of those that hosts always have, not those that are set aside. */
static int huge_file(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mounted, fd;

	if (fs < 0)
		skip(); /* not root */
	assert_return_code(fsconfig(fs, FSCONFIG_SET_STRING, "huge", "always", 0), errno);
	assert_return_code(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), errno);
	mounted = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	assert_return_code(mounted, errno);
	fd = openat(mounted, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_return_code(fd, errno);
	close(mounted);
	close(fs);
	return fd;
}

static void test_huge_pages(void **state)
{
	struct channel *big = NULL;
	int fd = huge_file();
	struct stat st;

	(void)state;
	assert_int_equal(write(fd, m.at, m.size), m.size);
	assert_return_code(ftruncate(fd, 4 << 20), errno);
	assert_return_code(fstat(fd, &st), errno);
	assert_true(st.st_blksize > sysconf(_SC_PAGESIZE));
	assert_int_equal(channel_map(fd, -1, &big), 0);
	assert_int_equal(big->view.bufs, 256);
	assert_int_equal((uintptr_t)channel_ctx(big) % (uintptr_t)st.st_blksize, 0);
	channel_unmap(big);
	close(fd);
}

static void test_what_we_keep_goes_back(void **state)
{
	(void)state;
	assert_int_equal(bufs_take(c, 1), 0);
	bufs_give(c, c->chain, 1);
	assert_true(c->cached > 0);
	assert_int_equal(memory_count(m.free), 255 - c->cached);
	channel_unmap(c);
	c = NULL;
	assert_int_equal(memory_count(m.free), 255);
}

static void test_no_more_is_kept_than_the_rule_says(void **state)
{
	uint32_t all[255];

	(void)state;
	assert_int_equal(bufs_take(c, 255), 0);
	memcpy(all, c->chain, sizeof(all));
	assert_int_equal(bufs_take(c, 1), -EAGAIN);
	for (int i = 0; i < 255; i++) {
		bufs_give(c, &all[i], 1);
		assert_true(c->cached <= CHAN_CACHE);
		assert_int_equal(c->cached + memory_count(m.free), i + 1);
	}
}

/* --- the daemon ----------------------------------------------------------------------------- */

static void test_it_is_woken_when_it_sleeps(void **state)
{
	(void)state;
	channel_wake(c);
	assert_int_equal(bells(), 0);
	m.stats->netd_sleeps = 1;
	channel_wake(c);
	channel_wake(c);
	assert_int_equal(bells(), 2);
	assert_int_equal(c->counts.wakeups, 2);
	m.stats->netd_sleeps = 0;
	channel_wake(c);
	assert_int_equal(bells(), 0);
}

/* A full socket is as good as a byte: nobody waits, nothing is broken. */
static void test_a_daemon_that_does_not_listen(void **state)
{
	(void)state;
	m.stats->netd_sleeps = 1;
	for (int i = 0; i < 100000; i++)
		channel_wake(c);
	assert_int_equal(c->broken, 0);
}

static void test_we_say_that_we_sleep(void **state)
{
	(void)state;
	assert_int_equal(m.stats->app_waits, 0);
	for (int i = 0; i < 200; i++)
		assert_int_equal(send(theirs, "", 1, 0), 1);
	assert_int_equal(channel_arm(c), 0);
	assert_int_equal(m.stats->app_waits, 1);
	assert_int_equal(recv(c->sock, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	channel_disarm(c);
	assert_int_equal(m.stats->app_waits, 0);
}

static void test_it_hangs_up(void **state)
{
	(void)state;
	assert_int_equal(channel_check(c), 0);
	close(theirs);
	theirs = -1;
	assert_int_equal(channel_check(c), -ENOTCONN);
	assert_int_equal(channel_look(c), -ENOTCONN);
	assert_int_equal(channel_arm(c), -ENOTCONN);
	assert_int_equal(m.stats->app_waits, 0);
}

/* No SIGPIPE, either. */
static void test_it_hangs_up_and_is_rung(void **state)
{
	(void)state;
	close(theirs);
	theirs = -1;
	m.stats->netd_sleeps = 1;
	channel_wake(c);
	assert_int_equal(c->broken, -ENOTCONN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_address_is_the_memorys),     TEST(files_that_are_no_channel),
		TEST(a_file_that_can_not_be_written), TEST(huge_pages),
		TEST(what_we_keep_goes_back),	      TEST(no_more_is_kept_than_the_rule_says),
		TEST(it_is_woken_when_it_sleeps),     TEST(a_daemon_that_does_not_listen),
		TEST(we_say_that_we_sleep),	      TEST(it_hangs_up),
		TEST(it_hangs_up_and_is_rung),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
