/* SPDX-License-Identifier: BSD-3-Clause */
/* And door.c, bytes and all. */
#include "shim/app.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "shim/door.h"

static struct daemon *d;
static int fds_before;

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* As at the process's start. */
static void forget(void)
{
	if (g_ctrl_socket >= 0)
		close(g_ctrl_socket);
	g_ctrl_socket = -1;
}

static int begin(void **state)
{
	(void)state;
	fds_before = count_fds();
	d = daemon_start();
	return 0;
}

static int end(void **state)
{
	(void)state;
	forget();
	if (d)
		daemon_stop(d);
	d = NULL;
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

/* --- the reference's bytes ------------------------------------------------------------------ */

/* Message n of those that its library sent, as recorded. */
static void recorded(unsigned n, struct chan_msg *ret)
{
	FILE *f = fopen(REPLAY_DIR "/control.txt", "re");
	char line[512];
	bool sent = false;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sent && n-- == 0)
			break;
		sent = line[0] == '>';
	}
	fclose(f);
	for (size_t i = 0; i < sizeof(*ret); i++) {
		unsigned byte = 0;

		assert_int_equal(sscanf(line + 2 + 2 * i, "%2x", &byte), 1);
		((uint8_t *)ret)[i] = (uint8_t)byte;
	}
}

/* Ids are random, of one kind: version 4, and its variant. */
static void same_but_for_id(uint8_t *ours, const uint8_t *theirs)
{
	assert_int_equal(ours[6] >> 4, theirs[6] >> 4);
	assert_int_equal(ours[8] >> 6, theirs[8] >> 6);
	assert_memory_not_equal(ours, theirs, 16);
	memcpy(ours, theirs, 16);
}

static void test_what_is_sent(void **state)
{
	struct channel *c = NULL;
	struct chan_msg ours, theirs;

	(void)state;
	assert_int_equal(app_register(), 0);
	assert_int_equal(app_attach(4096, &c), 0);
	recorded(0, &theirs);
	ours = *daemon_got(d, 0);
	assert_memory_equal(ours.app, g_app_uuid, 16);
	ours.id = 0; /* counts the calls of all tests */
	same_but_for_id(ours.app, theirs.app);
	assert_memory_equal(&ours, &theirs, sizeof(ours));

	recorded(1, &theirs);
	ours = *daemon_got(d, 1);
	assert_memory_equal(ours.app, g_app_uuid, 16);
	assert_int_equal(ours.id, daemon_got(d, 0)->id + 1);
	ours.id = 1;
	memcpy(ours.app, theirs.app, 16);
	same_but_for_id(ours.channel.channel, theirs.channel.channel);
	assert_int_equal(theirs.channel.rings, 1024);
	assert_int_equal(ours.channel.rings, CHAN_RINGS);
	ours.channel.rings = theirs.channel.rings;
	assert_memory_equal(&ours, &theirs, sizeof(ours));
	channel_unmap(c);
}

static void test_the_id_as_text(void **state)
{
	char text[37] = "", *at = text;

	(void)state;
	assert_int_equal(app_register(), 0);
	for (int i = 0; i < 16; i++)
		at += sprintf(at, "%02x%s", g_app_uuid[i],
			      i == 3 || i == 5 || i == 7 || i == 9 ? "-" : "");
	assert_string_equal(g_app_uuid_str, text);
}

/* --- answers -------------------------------------------------------------------------------- */

static void test_registered_once(void **state)
{
	(void)state;
	assert_int_equal(app_register(), 0);
	assert_int_equal(app_register(), 0);
	assert_non_null(daemon_got(d, 0));
	assert_null(daemon_got(d, 1));
}

static void test_a_failure_can_be_tried_again(void **state)
{
	const struct {
		enum answer how;
		int error;
	} bad[] = { { SAYS_NO, -ECONNREFUSED }, { HANGS_UP, -ENOTCONN }, { OTHER_ID, -EPROTO } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		daemon_answer(d, bad[i].how);
		assert_int_equal(app_register(), bad[i].error);
		assert_int_equal(g_ctrl_socket, -1);
		assert_string_equal(g_app_uuid_str, "");
	}
	daemon_answer(d, SAYS_YES);
	assert_int_equal(app_register(), 0);
}

static void test_nobody_is_there(void **state)
{
	(void)state;
	setenv(DOOR_ENV, "/nowhere/at/all", 1);
	assert_int_equal(app_register(), -ENOENT);
	setenv(DOOR_ENV,
	       "/a-path-that-is-much-longer-than-what-a-socket-may-have-aaaaaaaaaaaaaaaaaaa"
	       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	       1);
	assert_int_equal(app_register(), -ENAMETOOLONG);
	assert_int_equal(g_ctrl_socket, -1);
}

static void test_attach_needs_a_registration(void **state)
{
	struct channel *c = NULL;

	(void)state;
	assert_int_equal(app_attach(256, &c), -ENOTCONN);
	assert_null(daemon_got(d, 0));
}

static void test_attach_that_fails(void **state)
{
	const struct {
		enum answer how;
		int error;
	} bad[] = { { SAYS_NO, -ECONNREFUSED },
		    { HANGS_UP, -ENOTCONN },
		    { OTHER_ID, -EPROTO },
		    { NO_FD, -EPROTO },
		    { BAD_MEMORY, -EPROTO } };
	struct channel *c = NULL;

	(void)state;
	assert_int_equal(app_register(), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		daemon_answer(d, bad[i].how);
		assert_int_equal(app_attach(256, &c), bad[i].error);
		assert_null(c);
	}
}

static void test_answers_that_will_do(void **state)
{
	const enum answer good[] = { SAYS_YES, TWO_FDS, IN_PIECES };
	struct channel *c = NULL;

	(void)state;
	assert_int_equal(app_register(), 0);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		daemon_answer(d, good[i]);
		assert_int_equal(app_attach(512, &c), 0);
		assert_int_equal(c->view.bufs, 512);
		assert_true(channel_rings(c));
		channel_unmap(c);
	}
}

/* --- the daemon's end ----------------------------------------------------------------------- */

static void test_a_daemon_that_is_another_one(void **state)
{
	struct channel *c = NULL, *c2 = NULL;
	unsigned char id[16];

	(void)state;
	assert_int_equal(app_register(), 0);
	assert_int_equal(app_attach(256, &c), 0);
	memcpy(id, g_app_uuid, sizeof(id));
	assert_int_equal(channel_check(c), 0);
	daemon_stop(d);
	d = NULL;
	assert_int_equal(channel_check(c), -ENOTCONN);
	assert_int_equal(app_attach(256, &c2), -ENOTCONN);
	d = daemon_start();
	assert_int_equal(app_attach(256, &c2), -ENOTCONN);
	assert_int_equal(app_register(), 0);
	assert_memory_not_equal(id, g_app_uuid, sizeof(id));
	assert_int_equal(app_attach(256, &c2), 0);
	assert_int_equal(channel_check(c2), 0);
	assert_int_equal(channel_check(c), -ENOTCONN);
	channel_unmap(c);
	channel_unmap(c2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_sent),
		TEST(the_id_as_text),
		TEST(registered_once),
		TEST(a_failure_can_be_tried_again),
		TEST(nobody_is_there),
		TEST(attach_needs_a_registration),
		TEST(attach_that_fails),
		TEST(answers_that_will_do),
		TEST(a_daemon_that_is_another_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
