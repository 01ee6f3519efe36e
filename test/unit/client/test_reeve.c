/* SPDX-License-Identifier: BSD-3-Clause */
/* libreeve against a daemon that follows a script. */
#include "client/refusal.h"
#include <reeve/reeve.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>

#include "fake_daemon.h"

#define LEASE(id, res)                                                                     \
	"{\"lease\":" #id ",\"kind\":\"lcore\",\"resource\":\"" res "\",\"tenant\":\"t\"," \
	"\"instance\":1,\"since\":\"x\",\"whole_core\":true,\"enforced\":\"advisory\","    \
	"\"of_a_newer_version\":[1]}"
#define GRANT                                                           \
	"{\"parameters\":{\"leases\":[" LEASE(12, "lcore 4") "," LEASE( \
		13, "lcore 6") "],\"cpus\":\"4,6\"}}"
#define EVENT(seq, more)                                                                      \
	"{\"parameters\":{\"event\":{\"seq\":" #seq ",\"time\":\"2026-11-20T09:30:00.123Z\"," \
	"\"type\":\"grant\",\"tenant\":\"media\",\"lease\":9,\"kind\":\"lcore\","             \
	"\"resource\":\"lcore 5\",\"uid\":1000,\"pid\":77,\"instance\":null,"                 \
	"\"why\":\"it was free\"},\"lost\":2}" more "}"

/* --- opening ------------------------------------------------------------- */

static void test_no_daemon(void **state)
{
	struct reeve *r = NULL;
	char *text = NULL;

	(void)state;
	assert_int_equal(reeve_open("/nonexistent/reeve.sock", &r), -ENOENT);
	assert_non_null(r);
	assert_string_equal(reeve_error(r), "no daemon answers at /nonexistent/reeve.sock");
	assert_string_equal(reeve_error_name(r), "");
	assert_int_equal(reeve_call(r, "Status", NULL, false, &text), -ENOTCONN);
	assert_string_equal(reeve_error(r), "no daemon answers at /nonexistent/reeve.sock");
	assert_null(text);
	reeve_close(r);
	reeve_close(NULL);
}

static void test_path_too_long(void **state)
{
	struct reeve *r = NULL;
	char path[200];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(reeve_open(path, &r), -ENAMETOOLONG);
	reeve_close(r);
}

static void test_hello(void **state)
{
	static const struct step script[] = { HELLO, { END } };
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_true(reeve_fd(r) >= 0);
	finish(&f, r);
	assert_asked(&f, 0,
		     "{\"method\":\"io.reeve.Hello\",\"parameters\":{\"lowest\":1,\"highest\":1}}");
}

static int open_against(const char *reply, char error[static 256])
{
	const struct step script[] = { { ASK }, { SAY, reply }, { END } };
	struct reeve *r = NULL;
	struct fake f;
	int n;

	fake_start(&f, script);
	n = reeve_open(f.path, &r);
	assert_non_null(r);
	snprintf(error, 256, "%s", reeve_error(r));
	finish(&f, r);
	return n;
}

static void test_hello_refused(void **state)
{
	static const struct {
		const char *reply;
		int code;
		const char *sentence;
	} rows[] = {
		{ "{\"error\":\"io.reeve.VersionMismatch\",\"parameters\":{\"lowest\":3,\"highest\":5}}",
		  -EPROTONOSUPPORT, "version 3 to 5" },
		{ "{\"parameters\":{\"api\":2,\"version\":\"9\",\"pid\":1}}", -EPROTONOSUPPORT,
		  "version 2" },
		{ "{\"error\":\"org.varlink.service.MethodNotFound\","
		  "\"parameters\":{\"method\":\"io.reeve.Hello\"}}",
		  -EPROTONOSUPPORT, "io.reeve.Hello" },
		{ "{\"parameters\":{\"version\":\"9\",\"pid\":1}}", -EPROTO, "'api'" },
		{ "{\"parameters\":{\"api\":\"1\",\"version\":\"9\",\"pid\":1}}", -EPROTO,
		  "'api'" },
		{ "{\"parameters\":{\"api\":-1,\"version\":\"9\",\"pid\":1}}", -EPROTO, "'api'" },
		{ "{\"parameters\":{\"api\":1,\"pid\":1}}", -EPROTO, "'version'" },
		{ "{\"parameters\":{\"api\":1,\"version\":\"9\"}}", -EPROTO, "'pid'" },
		{ "{\"parameters\":[]}", -EPROTO, "" },
		{ "{\"parameters\":{\"api\":1,\"version\":\"9\",\"pid\":1},\"continues\":true}",
		  -EPROTO, "more replies" },
	};
	char error[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(open_against(rows[i].reply, error), rows[i].code);
		assert_int_not_equal(error[0], '\0');
		assert_non_null(strstr(error, rows[i].sentence));
	}
}

/* --- replies ------------------------------------------------------------- */

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_unasked_descriptors(void **state)
{
	int pipes[2], sent[3];
	struct fake f;
	const struct step script[] = { HELLO,
				       { ASK },
				       { SAY, "{\"parameters\":{}}", sent, 1 },
				       { ASK },
				       { SAY, "{\"parameters\":{}}", sent, 2 },
				       { ASK },
				       { SAY, "{\"parameters\":{}}", sent, 3 },
				       { ASK },
				       { SAY, "{\"parameters\":{}}" },
				       { END } };
	struct reeve *r;
	unsigned before;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < 3; i++)
		sent[i] = pipes[0];
	r = open_ok(&f, script);
	before = open_fds();
	for (int i = 0; i < 4; i++) {
		char *reply = NULL;

		assert_int_equal(reeve_call(r, "Status", NULL, false, &reply), 0);
		free(reply);
	}
	assert_int_equal(open_fds(), before);
	finish(&f, r);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_split_reply(void **state)
{
	static const struct step script[] = { HELLO, { ASK }, { SPLIT, GRANT }, { END } };
	struct reeve_want want = { .size = sizeof(want), .count = 2 };
	struct reeve_lease leases[2];
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	size_t n = 0;

	(void)state;
	assert_int_equal(reeve_acquire(r, &want, leases, 2, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(leases[0].id, 12);
	assert_int_equal(leases[0].cpu, 4);
	assert_int_equal(leases[1].id, 13);
	assert_int_equal(leases[1].cpu, 6);
	finish(&f, r);
}

/* After what was not understood nothing more is sent, and the first sentence stays. */
static void assert_spent(struct reeve *r)
{
	char first[256];
	char *text = NULL;

	snprintf(first, sizeof(first), "%s", reeve_error(r));
	assert_int_not_equal(first[0], '\0');
	assert_int_equal(reeve_call(r, "Status", NULL, false, &text), -ENOTCONN);
	assert_int_equal(reeve_release(r, 1), -ENOTCONN);
	assert_int_equal(reeve_events(r, 0), -ENOTCONN);
	assert_int_equal(reeve_call_next(r, 0, &text), -ENOTCONN);
	assert_string_equal(reeve_error(r), first);
	assert_null(text);
}

static void assert_status_fails(const struct step *script, int code)
{
	char *text = NULL;
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	reeve_set_timeout(r, code == -ETIMEDOUT ? 20 : 10000);
	assert_int_equal(reeve_call(r, "Status", NULL, false, &text), code);
	assert_null(text);
	assert_spent(r);
	finish(&f, r);
}

static void test_broken_replies(void **state)
{
	static const struct step garbage[] = { HELLO, { ASK }, { SAY, "not json" }, { END } };
	static const struct step empty[] = { HELLO, { ASK }, { SAY, "" }, { END } };
	static const struct step array[] = { HELLO, { ASK }, { SAY, "[]" }, { END } };
	static const struct step goes_on[] = {
		HELLO, { ASK }, { SAY, "{\"parameters\":{},\"continues\":true}" }, { END }
	};
	static const struct step huge[] = { HELLO, { ASK }, { HUGE_ }, { END } };

	(void)state;
	assert_status_fails(garbage, -EPROTO);
	assert_status_fails(empty, -EPROTO);
	assert_status_fails(array, -EPROTO);
	assert_status_fails(goes_on, -EPROTO);
	assert_status_fails(huge, -EPROTO);
}

static void test_slow_daemon(void **state)
{
	static const struct step silent[] = { HELLO, { ASK }, { END } };
	static const struct step half[] = { HELLO, { ASK }, { RAW, "{\"parame" }, { END } };

	(void)state;
	assert_status_fails(silent, -ETIMEDOUT);
	assert_status_fails(half, -ETIMEDOUT);
}

static void test_daemon_closes(void **state)
{
	static const struct step at_once[] = { HELLO, { ASK }, { CLOSE } };
	static const struct step amid[] = { HELLO, { ASK }, { RAW, "{\"parame" }, { CLOSE } };
	char *text = NULL;
	struct fake f;
	struct reeve *r;

	(void)state;
	assert_status_fails(at_once, -EPIPE);
	r = open_ok(&f, amid);
	assert_int_equal(reeve_call(r, "Status", NULL, false, &text), -EPIPE);
	assert_string_equal(reeve_error(r),
			    "the daemon closed the connection in the middle of a reply");
	finish(&f, r);
}

/* Writing to a daemon that is gone must be an answer, never a signal. */
static void test_no_sigpipe(void **state)
{
	static const struct step script[] = { HELLO, { CLOSE } };
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	struct pollfd p = { .fd = reeve_fd(r), .events = POLLIN };
	char *text = NULL;

	(void)state;
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(reeve_call(r, "Status", NULL, false, &text), -EPIPE);
	finish(&f, r);
}

static void test_big_reply(void **state)
{
	enum { SIZE = 3 << 20 };
	char *reply = malloc(SIZE + 64), *text = NULL;
	struct step script[] = { HELLO, { ASK }, { SAY, reply }, { ASK }, { SAY, GRANT }, { END } };
	struct fake f;
	struct reeve *r;
	int n;

	(void)state;
	assert_non_null(reply);
	n = sprintf(reply, "{\"parameters\":{\"x\":\"");
	memset(reply + n, 'a', SIZE);
	strcpy(reply + n + SIZE, "\"}}");
	r = open_ok(&f, script);
	assert_int_equal(reeve_call(r, "Status", NULL, false, &text), 0);
	assert_int_equal(strlen(text), SIZE + strlen("{\"x\":\"\"}"));
	free(text);
	assert_int_equal(reeve_call(r, "Status", NULL, false, &text), 0);
	assert_non_null(strstr(text, "\"cpus\":\"4,6\""));
	free(text);
	free(reply);
	finish(&f, r);
}

/* --- requests ------------------------------------------------------------ */

static void test_want(void **state)
{
	static const struct step script[] = { HELLO,   { ASK },	       { SAY, GRANT },
					      { ASK }, { SAY, GRANT }, { END } };
	struct reeve_want all = { .size = sizeof(all),
				  .count = 2,
				  .near = "ens1",
				  .node = 0,
				  .has_node = true,
				  .whole_core = true,
				  .ttl_ms = 1500,
				  .name = "encoder \"1\"" };
	struct reeve_want few = { .size = sizeof(few), .cpus = "4,6" };
	struct reeve_lease leases[2];
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	size_t n = 0;

	(void)state;
	assert_int_equal(reeve_acquire(r, &all, leases, 2, &n), 0);
	assert_int_equal(reeve_acquire(r, &few, leases, 2, &n), 0);
	finish(&f, r);
	assert_asked(
		&f, 1,
		"{\"method\":\"io.reeve.Acquire\",\"parameters\":{\"kind\":\"lcore\",\"count\":2,"
		"\"near\":\"ens1\",\"node\":0,\"whole_core\":true,\"ttl_ms\":1500,"
		"\"name\":\"encoder \\\"1\\\"\"}}");
	assert_asked(&f, 2,
		     "{\"method\":\"io.reeve.Acquire\",\"parameters\":{\"kind\":\"lcore\","
		     "\"cpus\":\"4,6\"}}");
}

static void test_bad_want(void **state)
{
	static const struct step script[] = { HELLO, { END } };
	struct {
		struct reeve_want want;
		int more;
	} newer = { .want = { .size = sizeof(newer), .count = 1 }, .more = 1 };
	struct reeve_want unset = { .count = 1 }, latin = { .size = sizeof(latin), .name = "\xe9" };
	struct reeve_want forever = { .size = sizeof(forever), .count = 1, .ttl_ms = UINT64_MAX };
	struct reeve_lease lease;
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	char *text = NULL;
	size_t n = 99;

	(void)state;
	assert_int_equal(reeve_acquire(r, &unset, &lease, 1, &n), -EINVAL);
	assert_int_equal(reeve_acquire(r, &newer.want, &lease, 1, &n), -EINVAL);
	assert_int_equal(reeve_acquire(r, &latin, &lease, 1, &n), -EINVAL);
	assert_int_equal(reeve_acquire(r, &forever, &lease, 1, &n), -EINVAL);
	assert_int_equal(reeve_call(r, "Status", "[]", false, &text), -EINVAL);
	assert_int_equal(reeve_call(r, "Status", "{", false, &text), -EINVAL);
	assert_int_equal(n, 99);
	finish(&f, r);
	assert_null(strstr(f.asked, "Acquire"));
}

static void test_request_too_long(void **state)
{
	static const struct step script[] = { HELLO, { END } };
	static char name[70000];
	struct reeve_want want = { .size = sizeof(want), .count = 1, .name = name };
	struct reeve_lease lease;
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	size_t n = 0;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	assert_int_equal(reeve_acquire(r, &want, &lease, 1, &n), -EMSGSIZE);
	finish(&f, r);
}

static void test_grant_above_max(void **state)
{
	static const struct step script[] = { HELLO,
					      { ASK },
					      { SAY, GRANT },
					      { ASK },
					      { SAY, "{\"parameters\":{}}" },
					      { ASK },
					      { SAY, "{\"parameters\":{}}" },
					      { END } };
	struct reeve_want want = { .size = sizeof(want), .count = 2 };
	struct reeve_lease lease;
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	size_t n = 99;

	(void)state;
	assert_int_equal(reeve_acquire(r, &want, &lease, 1, &n), -E2BIG);
	assert_int_equal(n, 99);
	finish(&f, r);
	assert_asked(&f, 2, "{\"method\":\"io.reeve.Release\",\"parameters\":{\"lease\":12}}");
	assert_asked(&f, 3, "{\"method\":\"io.reeve.Release\",\"parameters\":{\"lease\":13}}");
}

static void test_misread_grant(void **state)
{
	static const char *const replies[] = {
		"{\"parameters\":{\"cpus\":\"4\"}}",
		"{\"parameters\":{\"leases\":[],\"cpus\":4}}",
		"{\"parameters\":{\"leases\":[7],\"cpus\":\"4\"}}",
		"{\"parameters\":{\"leases\":[{\"kind\":\"lcore\",\"resource\":\"lcore 4\"}],\"cpus\":\"4\"}}",
		"{\"parameters\":{\"leases\":[" LEASE(1, "lcore") "],\"cpus\":\"4\"}}",
		"{\"parameters\":{\"leases\":[" LEASE(1, "queue 4") "],\"cpus\":\"4\"}}",
		"{\"parameters\":{\"leases\":[" LEASE(-1, "lcore 4") "],\"cpus\":\"4\"}}",
	};
	struct reeve_want want = { .size = sizeof(want), .count = 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		const struct step script[] = { HELLO, { ASK }, { SAY, replies[i] }, { END } };
		struct reeve_lease lease;
		struct fake f;
		struct reeve *r = open_ok(&f, script);
		size_t n = 99;

		assert_int_equal(reeve_acquire(r, &want, &lease, 1, &n), -EPROTO);
		assert_int_equal(n, 99);
		assert_spent(r);
		finish(&f, r);
	}
}

static void test_explain(void **state)
{
	static const struct step script[] = {
		HELLO,
		{ ASK },
		{ SAY, "{\"parameters\":{\"granted\":true,\"cpus\":\"2-3\",\"why\":\"free\","
		       "\"candidates\":[]}}" },
		{ ASK },
		{ SAY, "{\"parameters\":{\"granted\":false,\"cpus\":\"\",\"error\":\"quota\","
		       "\"why\":\"the quota is 1\",\"candidates\":[]}}" },
		{ END }
	};
	struct reeve_want want = { .size = sizeof(want), .count = 2 };
	char cpus[32], why[64];
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_explain(r, &want, cpus, sizeof(cpus), why, sizeof(why)), 0);
	assert_string_equal(cpus, "2-3");
	assert_string_equal(why, "free");
	assert_int_equal(reeve_explain(r, &want, NULL, 0, why, sizeof(why)), -EDQUOT);
	assert_string_equal(why, "the quota is 1");
	assert_string_equal(reeve_error(r), "the quota is 1");
	assert_string_equal(reeve_error_name(r), "io.reeve.QuotaExceeded");
	finish(&f, r);
}

/* --- refusals ------------------------------------------------------------ */

static void test_refusals(void **state)
{
	static const struct {
		const char *name, *word;
		int code;
	} rows[] = {
		{ "io.reeve.VersionMismatch", NULL, -EPROTONOSUPPORT },
		{ "io.reeve.Denied", "denied", -EACCES },
		{ "io.reeve.QuotaExceeded", "quota", -EDQUOT },
		{ "io.reeve.Taken", "taken", -EBUSY },
		{ "io.reeve.NotEnough", "not-enough", -ENOSPC },
		{ "io.reeve.NoSuchResource", "no-such", -ENOENT },
		{ "io.reeve.NoSuchLease", NULL, -ENOENT },
		{ "io.reeve.NotYours", "not-yours", -EPERM },
		{ "io.reeve.Unsupported", "unsupported", -EOPNOTSUPP },
		{ "io.reeve.NoEvent", NULL, -ENODATA },
		{ "io.reeve.Busy", NULL, -EAGAIN },
		{ "org.varlink.service.InvalidParameter", "bad-request", -EINVAL },
		{ "org.varlink.service.MethodNotFound", NULL, -EOPNOTSUPP },
		{ "org.varlink.service.InterfaceNotFound", NULL, -EOPNOTSUPP },
		{ "com.example.Unheard", NULL, -EPROTO },
	};
	json_t *none = json_object();
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		e = (struct err){ 0 };
		assert_int_equal(refusal(rows[i].name, none, &e), rows[i].code);
		assert_int_equal(e.code, -rows[i].code);
		assert_int_not_equal(e.text[0], '\0');
		assert_int_equal(refusal_code(rows[i].name), rows[i].code);
		if (rows[i].word)
			assert_string_equal(refusal_name(rows[i].word), rows[i].name);
	}
	json_decref(none);
}

static void test_refused(void **state)
{
	static const struct step script[] = {
		HELLO,
		{ ASK },
		{ SAY,
		  "{\"error\":\"io.reeve.Taken\",\"parameters\":{\"why\":\"lcore 4 \\u001b[2J\"}}" },
		{ ASK },
		{ SAY, "{\"error\":\"io.reeve.NotYours\",\"parameters\":{\"lease\":5}}" },
		{ ASK },
		{ SAY, "{\"error\":\"com.example.Unheard\",\"parameters\":{}}" },
		{ ASK },
		{ SAY, "{\"parameters\":{}}" },
		{ END }
	};
	struct reeve_want want = { .size = sizeof(want), .cpus = "4" };
	struct reeve_lease lease;
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	size_t n;

	(void)state;
	assert_int_equal(reeve_acquire(r, &want, &lease, 1, &n), -EBUSY);
	assert_string_equal(reeve_error(r), "lcore 4 ?[2J");
	assert_string_equal(reeve_error_name(r), "io.reeve.Taken");
	assert_int_equal(reeve_release(r, 5), -EPERM);
	assert_string_equal(reeve_error(r), "lease 5 is held by another");
	assert_int_equal(reeve_release(r, 5), -EPROTO);
	assert_non_null(strstr(reeve_error(r), "com.example.Unheard"));
	assert_int_equal(reeve_release(r, 5), 0);
	assert_string_equal(reeve_error(r), "");
	assert_string_equal(reeve_error_name(r), "");
	finish(&f, r);
}

/* --- streams ------------------------------------------------------------- */

static void test_events(void **state)
{
	/* Two in one piece, then one split, then the last. */
	static const struct step script[] = { HELLO,
					      { ASK },
					      { SAY, EVENT(41, ",\"continues\":true") },
					      { SPLIT, EVENT(42, ",\"continues\":true") },
					      { SAY, EVENT(50, "") },
					      { END } };
	struct reeve_event ev = { 0 };
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	char *text = NULL;

	(void)state;
	assert_int_equal(reeve_next_event(r, 0, &ev), -ENODATA);
	assert_int_equal(reeve_events(r, 40), 0);
	assert_int_equal(reeve_call(r, "Status", NULL, false, &text), -EINVAL);
	assert_int_equal(reeve_next_event(r, -1, &ev), 0);
	assert_int_equal(ev.seq, 41);
	assert_int_equal(ev.lost, 2);
	assert_int_equal(ev.lease, 9);
	assert_int_equal(ev.instance, 0);
	assert_int_equal(ev.uid, 1000);
	assert_int_equal(ev.pid, 77);
	assert_string_equal(ev.time, "2026-11-20T09:30:00.123Z");
	assert_string_equal(ev.type, "grant");
	assert_string_equal(ev.tenant, "media");
	assert_string_equal(ev.resource, "lcore 5");
	assert_string_equal(ev.error, "");
	assert_string_equal(ev.why, "it was free");
	assert_int_equal(reeve_next_event(r, -1, &ev), 0);
	assert_int_equal(ev.seq, 42);
	assert_int_equal(reeve_next_event(r, 10000, &ev), 0);
	assert_int_equal(ev.seq, 50);
	assert_int_equal(reeve_next_event(r, -1, &ev), -ENODATA);
	finish(&f, r);
	assert_asked(
		&f, 1,
		"{\"method\":\"io.reeve.Events\",\"parameters\":{\"since\":40},\"more\":true}");
}

static void test_no_event_yet(void **state)
{
	static const struct step script[] = { HELLO, { ASK }, { RAW, "{\"par" }, { ASK }, { END } };
	struct reeve_event ev = { .seq = 5 };
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_events(r, 0), 0);
	assert_int_equal(reeve_next_event(r, 0, &ev), -EAGAIN);
	assert_int_equal(reeve_next_event(r, 10, &ev), -EAGAIN);
	assert_int_equal(ev.seq, 5);
	finish(&f, r);
}

static void test_event_misread(void **state)
{
	static const struct step script[] = { HELLO,
					      { ASK },
					      { SAY, "{\"parameters\":{\"event\":{},\"lost\":0},"
						     "\"continues\":true}" },
					      { END } };
	struct reeve_event ev;
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_events(r, 0), 0);
	assert_int_equal(reeve_next_event(r, -1, &ev), -EPROTO);
	assert_spent(r);
	finish(&f, r);
}

static void test_event_refused(void **state)
{
	static const struct step script[] = {
		HELLO,
		{ ASK },
		{ SAY, "{\"error\":\"io.reeve.Busy\",\"parameters\":{\"why\":\"too slow\"}}" },
		{ END }
	};
	struct reeve_event ev;
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_events(r, 0), 0);
	assert_int_equal(reeve_next_event(r, -1, &ev), -EAGAIN);
	assert_string_equal(reeve_error_name(r), "io.reeve.Busy");
	assert_int_equal(reeve_next_event(r, -1, &ev), -ENODATA);
	finish(&f, r);
}

/* A text longer than its member ends at a whole character. */
static void test_event_long_text(void **state)
{
	static const struct step script[] = {
		HELLO,
		{ ASK },
		{ SAY,
		  "{\"parameters\":{\"lost\":0,\"event\":{\"seq\":1,\"time\":\"t\",\"uid\":0,\"pid\":0,"
		  "\"why\":\"w\",\"tenant\":\"t\",\"type\":\"aaaaaaaaaaaaaaaaaaaaaa\xc3\xa9\"}}}" },
		{ END }
	};
	struct reeve_event ev;
	struct fake f;
	struct reeve *r = open_ok(&f, script);

	(void)state;
	assert_int_equal(reeve_events(r, 0), 0);
	assert_int_equal(reeve_next_event(r, -1, &ev), 0);
	assert_string_equal(ev.type, "aaaaaaaaaaaaaaaaaaaaaa");
	finish(&f, r);
}

static void test_call_stream(void **state)
{
	static const struct step script[] = { HELLO,
					      { ASK },
					      { SAY,
						"{\"parameters\":{\"n\":1},\"continues\":true}" },
					      { SAY, "{\"parameters\":{\"n\":2}}" },
					      { END } };
	struct fake f;
	struct reeve *r = open_ok(&f, script);
	char *text = NULL;

	(void)state;
	assert_int_equal(reeve_call(r, "com.example.Count", "{\"to\":2}", true, &text), 0);
	assert_string_equal(text, "{\"n\":1}");
	free(text);
	assert_int_equal(reeve_call_next(r, -1, &text), 0);
	assert_string_equal(text, "{\"n\":2}");
	free(text);
	assert_int_equal(reeve_call_next(r, -1, &text), -ENODATA);
	finish(&f, r);
	assert_asked(&f, 1,
		     "{\"method\":\"com.example.Count\",\"parameters\":{\"to\":2},\"more\":true}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_daemon),	cmocka_unit_test(test_path_too_long),
		cmocka_unit_test(test_hello),		cmocka_unit_test(test_hello_refused),
		cmocka_unit_test(test_split_reply),	cmocka_unit_test(test_unasked_descriptors),
		cmocka_unit_test(test_broken_replies),	cmocka_unit_test(test_slow_daemon),
		cmocka_unit_test(test_daemon_closes),	cmocka_unit_test(test_no_sigpipe),
		cmocka_unit_test(test_big_reply),	cmocka_unit_test(test_want),
		cmocka_unit_test(test_bad_want),	cmocka_unit_test(test_request_too_long),
		cmocka_unit_test(test_grant_above_max), cmocka_unit_test(test_misread_grant),
		cmocka_unit_test(test_explain),		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_refused),		cmocka_unit_test(test_events),
		cmocka_unit_test(test_no_event_yet),	cmocka_unit_test(test_event_misread),
		cmocka_unit_test(test_event_refused),	cmocka_unit_test(test_event_long_text),
		cmocka_unit_test(test_call_stream),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
