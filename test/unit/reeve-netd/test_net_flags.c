/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve-netd/net_flags.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *remote_ip;
static bool zerocopy, ping;
static uint64_t pkt_size;

static const struct net_flag own[] = {
	{ "remote_ip", .text = &remote_ip, .help = "whom to send to" },
	{ "zerocopy", .on = &zerocopy, .help = "leave the payload" },
	{ "ping", .on = &ping },
	{ "pkt_size", .number = &pkt_size, .max = 1500, .help = "bytes of a frame" },
	{ NULL },
};

static struct net_std_flags std;

static int clear_env(void **state)
{
	(void)state;
	unsetenv("GLOG_logtostderr");
	unsetenv("GLOG_alsologtostderr");
	unsetenv("GLOG_log_dir");
	unsetenv("GLOG_minloglevel");
	unsetenv("GLOG_v");
	remote_ip = "";
	zerocopy = true;
	ping = false;
	pkt_size = 64;
	return 0;
}

enum { WORDS_MAX = 12 };

static int run(const char *const *words, struct err *e)
{
	const char *argv[WORDS_MAX + 2] = { "prog" };
	int argc = 1;

	while (*words)
		argv[argc++] = *words++;
	return net_flags_parse(own, argc, (char *const *)argv, &std, e);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void parsed(const char *const *words)
{
	struct err e = { 0 };

	if (run(words, &e) < 0)
		fail_msg("%s", e.text);
}

static void refused(const char *const *words, const char *sentence)
{
	struct err e = { 0 };

	assert_int_equal(run(words, &e), -EINVAL);
	assert_string_equal(e.text, sentence);
}

static void test_defaults(void **state)
{
	(void)state;
	parsed((const char *const[]){ NULL });
	assert_string_equal(std.config, "/etc/reeve/machnet.json");
	assert_int_equal(std.logtostderr, 0);
	assert_int_equal(std.alsologtostderr, 0);
	assert_null(std.log_dir);
	assert_int_equal(std.minloglevel, 0);
	assert_int_equal(std.help, 0);
	assert_string_equal(remote_ip, "");
	assert_int_equal(zerocopy, 1);
	assert_int_equal(pkt_size, 64);
}

static void test_forms(void **state)
{
	const char *const *const forms[] = {
		WORDS("--config_json", "c"),
		WORDS("--config_json=c"),
		WORDS("-config_json", "c"),
		WORDS("-config_json=c"),
		WORDS("--config_file", "c"),
		WORDS("--config-file=c"),
		WORDS("--config_json=x", "--config_file=c"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		parsed(forms[i]);
		assert_string_equal(std.config, "c");
	}
	parsed(WORDS("--remote_ip", "--ping"));
	assert_string_equal(remote_ip, "--ping");
	assert_int_equal(ping, 0);
	parsed(WORDS("--remote_ip=a=b"));
	assert_string_equal(remote_ip, "a=b");
	parsed(WORDS("--remote_ip="));
	assert_string_equal(remote_ip, "");
}

static void test_bools(void **state)
{
	static const char *const yes[] = { "--ping",   "-ping",	     "--ping=1", "--ping=true",
					   "--ping=T", "--ping=yes", "--ping=Y" };
	static const char *const no[] = { "--noping", "-noping",   "--ping=0", "--ping=FALSE",
					  "--ping=f", "--ping=no", "--ping=n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		ping = false;
		parsed(WORDS(yes[i]));
		assert_int_equal(ping, 1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		ping = true;
		parsed(WORDS(no[i]));
		assert_int_equal(ping, 0);
	}
	/* The next word is not a truth value's. */
	parsed(WORDS("--ping", "false"));
	assert_int_equal(ping, 1);
}

static void test_numbers(void **state)
{
	(void)state;
	parsed(WORDS("--pkt_size", "1500"));
	assert_int_equal(pkt_size, 1500);
	refused(WORDS("--pkt_size=1501"),
		"flag '--pkt_size' is a whole number up to 1500, not '1501'");
	refused(WORDS("--pkt_size", "-1"),
		"flag '--pkt_size' is a whole number up to 1500, not '-1'");
	refused(WORDS("--pkt_size="), "flag '--pkt_size' is a whole number up to 1500, not ''");
}

static void test_end(void **state)
{
	(void)state;
	parsed(WORDS("stray", "-", "--pkt_size=70", "--", "--pkt_size=80", "--unknown"));
	assert_int_equal(pkt_size, 70);
}

static void test_glog(void **state)
{
	(void)state;
	parsed(WORDS("--logtostderr=1", "--v=2", "--minloglevel", "1", "--log_dir=/x",
		     "--stderrthreshold=0", "--logbuflevel=-1", "--vmodule", "a=1",
		     "--nocolorlogtostderr", "--alsologtostderr"));
	assert_int_equal(std.logtostderr, 1);
	assert_int_equal(std.v, 2);
	assert_int_equal(std.minloglevel, 1);
	assert_string_equal(std.log_dir, "/x");
	assert_int_equal(std.alsologtostderr, 1);
	parsed(WORDS("--logtostderr", "--nologtostderr"));
	assert_int_equal(std.logtostderr, 0);
	parsed(WORDS("--help"));
	assert_int_equal(std.help, 1);
	parsed(WORDS("-version"));
	assert_int_equal(std.version, 1);
}

static void test_env(void **state)
{
	(void)state;
	setenv("GLOG_logtostderr", "1", 1);
	setenv("GLOG_minloglevel", "2", 1);
	setenv("GLOG_log_dir", "/y", 1);
	setenv("GLOG_v", "", 1);
	parsed((const char *const[]){ NULL });
	assert_int_equal(std.logtostderr, 1);
	assert_int_equal(std.minloglevel, 2);
	assert_string_equal(std.log_dir, "/y");
	assert_int_equal(std.v, 0);
	parsed(WORDS("--nologtostderr", "--minloglevel=0"));
	assert_int_equal(std.logtostderr, 0);
	assert_int_equal(std.minloglevel, 0);

	setenv("GLOG_logtostderr", "false", 1);
	parsed((const char *const[]){ NULL });
	assert_int_equal(std.logtostderr, 0);
	setenv("GLOG_logtostderr", "", 1);
	parsed((const char *const[]){ NULL });
	assert_int_equal(std.logtostderr, 1);

	setenv("GLOG_v", "much", 1);
	refused((const char *const[]){ NULL }, "GLOG_v is a whole number up to 1000, not 'much'");
}

static void test_refused(void **state)
{
	(void)state;
	refused(WORDS("--colour"), "unknown command line flag 'colour'");
	refused(WORDS("--colour=red"), "unknown command line flag 'colour'");
	refused(WORDS("--noremote_ip"), "unknown command line flag 'noremote_ip'");
	refused(WORDS("--no"), "unknown command line flag 'no'");
	refused(WORDS("--=x"), "unknown command line flag ''");
	refused(WORDS("---ping"), "unknown command line flag '-ping'");
	refused(WORDS("--\x1b[m"), "unknown command line flag '\\x1b[m'");
	refused(WORDS("--flagfile=x"), "unknown command line flag 'flagfile'");
	refused(WORDS("--noping=1"), "flag '--noping' takes no value");
	refused(WORDS("--ping=maybe"), "flag '--ping' is true or false, not 'maybe'");
	refused(WORDS("--ping="), "flag '--ping' is true or false, not ''");
	refused(WORDS("--config_json"), "flag '--config_json' is missing its argument");
}

static void test_no_own_table(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_int_equal(net_flags_parse(NULL, 2, (char *const[]){ "p", "--ping", NULL }, &std, &e),
			 -EINVAL);
	assert_string_equal(e.text, "unknown command line flag 'ping'");
	assert_int_equal(net_flags_parse(NULL, 0, (char *const[]){ NULL }, &std, NULL), 0);
}

static void test_print(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_non_null(f);
	net_flags_print(f, own);
	fclose(f);
	assert_non_null(strstr(text, "  --remote_ip=TEXT         whom to send to\n"));
	assert_non_null(strstr(text, "  --pkt_size=N             bytes of a frame\n"));
	assert_non_null(strstr(text, "  --config_json=TEXT       the config\n"));
	assert_null(strstr(text, "vmodule"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_defaults, clear_env),
		cmocka_unit_test_setup(test_forms, clear_env),
		cmocka_unit_test_setup(test_bools, clear_env),
		cmocka_unit_test_setup(test_numbers, clear_env),
		cmocka_unit_test_setup(test_end, clear_env),
		cmocka_unit_test_setup(test_glog, clear_env),
		cmocka_unit_test_setup(test_env, clear_env),
		cmocka_unit_test_setup(test_refused, clear_env),
		cmocka_unit_test_setup(test_no_own_table, clear_env),
		cmocka_unit_test_setup(test_print, clear_env),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
