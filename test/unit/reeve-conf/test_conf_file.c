/* SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>

#include "parse.h"

static int no_user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid)
{
	(void)name, (void)ret_uid, (void)ret_gid;
	return -ENOENT;
}

static int no_group(const char *name, uint32_t *ret_gid)
{
	(void)name, (void)ret_gid;
	return -ENOENT;
}

static const struct conf_names no_names = { .user = no_user, .group = no_group };

static void test_grammar(void **state)
{
	static const struct bad bad[] = {
		{ "\n\ncpu = \"1\"\n", "reeve.conf:3: no such option 'cpu'" },
		{ "log { colour = \"red\" }", "reeve.conf:1: no such option 'colour'" },
		{ "tenant a {\n\tquota {\n\t\tcores = 1\n\t}\n}",
		  "reeve.conf:3: no such option 'cores'" },
		{ "cpus \"1\"", "reeve.conf:1: missing equal sign after option 'cpus'" },
		{ "cpus =", "reeve.conf:1: premature end of file" },
		{ "cpus", "reeve.conf:1: premature end of file" },
		{ "planes = {}\nplanes = {\"mtl\"}", "reeve.conf:2: 'planes' is set twice" },
		{ "cpus = {\"1\"}", "reeve.conf:1: unexpected token '{'" },
		{ "log = \"text\"", "reeve.conf:1: missing opening brace for section 'log'" },
		{ "tenant { }", "reeve.conf:1: missing title for section 'tenant'" },
		{ "}", "reeve.conf:1: unexpected closing brace" },
		{ "planes = {\"mtl\" \"mtl\"}", "reeve.conf:1: unexpected token 'mtl'" },
		{ "include(\"/etc/passwd\")",
		  "reeve.conf:1: '(' has a place only in strings and in comments (which begin with #)" },
		{ "include = \"/etc/passwd\"", "reeve.conf:1: no such option 'include'" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_truncated(void **state)
{
	static const struct bad bad[] = {
		{ "\nlog {\n level = \"info\"\n",
		  "reeve.conf:2: the brace opened here is never closed" },
		{ "tenant a {\n quota {\n  lcore = 1\n }\n",
		  "reeve.conf:1: the brace opened here is never closed" },
		{ "planes = {\"mtl\"", "reeve.conf:1: the brace opened here is never closed" },
		{ "cpus = \"1", "reeve.conf:1: a string is not closed before the end of the file" },
		{ "cpus = '1", "reeve.conf:1: a string is not closed before the end of the file" },
		{ "\ncpus = \"1\nnever = \"2\"\n",
		  "reeve.conf:2: a string is not closed on its line" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_bytes(void **state)
{
	static const struct bad bad[] = {
		{ "\x7f"
		  "ELF",
		  "reeve.conf:1: this is no text file: it contains byte 0x7f" },
		{ "# \x01", "reeve.conf:1: this is no text file: it contains byte 0x01" },
		{ "\n\"\x1b\"", "reeve.conf:2: this is no text file: it contains byte 0x1b" },
		{ "\xef\xbb\xbf"
		  "cpus = \"1\"",
		  "reeve.conf:1: only comments may contain other than ASCII characters" },
		{ "cpus = \"1\t\"", "reeve.conf:1: a tab has no place in a string" },
		{ "cpus = \"\xc3\xa4\"",
		  "reeve.conf:1: only comments may contain other than ASCII characters" },
		{ "{{{{{{{{{", "reeve.conf:1: braces are nested too deeply" },
	};
	static const char nul[] = "cpus = \"1\"\0never = \"2\"";
	struct err e = { 0 };

	(void)state;
	assert_refusals(bad);
	assert_int_equal(conf_file_parse(nul, sizeof(nul) - 1, &names, &conf, &e), -EINVAL);
	assert_string_equal(e.text, "reeve.conf:1: this is no text file: it contains a NUL byte");
}

/* What libconfuse would do without a word. */
static void test_no_hidden_meaning(void **state)
{
	static const struct bad bad[] = {
		{ "cpus = \"${HOME}\"",
		  "reeve.conf:1: variables (\"${\") are not expanded in this file" },
		{ "cpus = ${HOME}",
		  "reeve.conf:1: '$' has a place only in strings and in comments (which begin with #)" },
		{ "cpus = \"1\\0002\"",
		  "reeve.conf:1: a backslash stands for itself in single quotes only" },
		{ "tenant a { cgroup = '/a\\\\b' }",
		  "reeve.conf:1: a backslash can't be followed by another or by the closing quote" },
		{ "\"log|level\" = \"info\"", "reeve.conf:1: \"|\" has no place in this file" },
		{ "log|level = \"info\"",
		  "reeve.conf:1: '|' has a place only in strings and in comments (which begin with #)" },
		{ "planes += {\"mtl\"}",
		  "reeve.conf:1: '+' has a place only in strings and in comments (which begin with #)" },
		{ "// cpus = \"1\"",
		  "reeve.conf:1: '/' has a place only in strings and in comments (which begin with #)" },
		{ "mtl { socket = \"~/x\" }",
		  "reeve.conf:1: socket \"~/x\" does not begin with \"/\"" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_said_twice(void **state)
{
	static const struct bad bad[] = {
		{ "cpus = \"1\"\ncpus = \"2\"", "reeve.conf:2: 'cpus' is set twice" },
		{ "log { level = \"info\" }\nlog {\n level = \"warn\"\n}",
		  "reeve.conf:3: 'level' is set twice" },
		{ "tenant a {\n uids = {\"1\", \"2\"}\n uids = {\"3\"}\n}",
		  "reeve.conf:3: 'uids' is set twice" },
		{ "tenant a { uids = \"1\" }\ntenant a { uids = \"2\" }",
		  "reeve.conf:2: found duplicate title 'a'" },
		{ "tenant default { }\ntenant default { }",
		  "reeve.conf:2: found duplicate title 'default'" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_host_values(void **state)
{
	static const struct bad bad[] = {
		{ "cpus = \"2-\"", "reeve.conf:1: \"2-\" is no CPU list such as \"2-5,8\"" },
		{ "cpus = \"5-2\"", "reeve.conf:1: \"5-2\" is no CPU list such as \"2-5,8\"" },
		{ "cpus = \"all\"", "reeve.conf:1: \"all\" is no CPU list such as \"2-5,8\"" },
		{ "cpus = 8192", "reeve.conf:1: CPU list \"8192\" goes beyond CPU 8191" },
		{ "cpus = \"\"",
		  "reeve.conf:1: no CPU is left to lease: `cpus` without `never` is empty" },
		{ "never = \"0-7\"\n\ncpus = \"2-3\"",
		  "reeve.conf:1: no CPU is left to lease: `cpus` without `never` is empty" },
		{ "planes = {\"mtl\", \"rdma\"}", "reeve.conf:1: there is no plane \"rdma\"" },
		{ "stack { config = \"machnet.json\" }",
		  "reeve.conf:1: config \"machnet.json\" does not begin with \"/\"" },
		{ "planes = {\"stack\"}\nstack {\n closed = true\n}",
		  "reeve.conf:3: plane \"stack\" is closed for good here but named in `planes`" },
		{ "admin-group = \"wheel\"", "reeve.conf:1: this host has no group \"wheel\"" },
		{ "log { format = \"xml\" }",
		  "reeve.conf:1: the log's format is text or json, not \"xml\"" },
		{ "log {\n level = \"loud\"\n}",
		  "reeve.conf:2: the log's level is error, warn, info or debug, not \"loud\"" },
		{ "mtl { closed = 1 }", "reeve.conf:1: closed is true or false, not \"1\"" },
		{ "planes = {\"mtl\"}\nmtl {\n closed = true\n}",
		  "reeve.conf:3: plane \"mtl\" is closed for good here but named in `planes`" },
		{ "mtl { socket = \"run/x\" }",
		  "reeve.conf:1: socket \"run/x\" does not begin with \"/\"" },
		{ "mtl { socket = \"/run/../etc/x\" }",
		  "reeve.conf:1: socket \"/run/../etc/x\" contains \"..\"" },
		{ "mtl { socket = "
		  "\"/0123456789012345678901234567890123456789012345678901234567890123456789"
		  "0123456789012345678901234567890123456\" }",
		  "reeve.conf:1: a socket path has at most 107 characters" },
	};

	(void)state;
	assert_refusals(bad);
}

/* --- too much of it -------------------------------------------------------- */

static char *blanks(size_t len)
{
	char *text = malloc(len + 1);

	assert_non_null(text);
	memset(text, ' ', len);
	text[len] = '\0';
	return text;
}

static void test_too_large(void **state)
{
	char *text = blanks(CONF_FILE_MAX + 1);
	struct err e = { 0 };

	(void)state;
	assert_int_equal(conf_file_parse(text, CONF_FILE_MAX, &names, &conf, &e), 0);
	assert_int_equal(conf_file_parse(text, CONF_FILE_MAX + 1, &names, &conf, &e), -EFBIG);
	assert_string_equal(e.text, "reeve.conf: the file is larger than 1048576 bytes");
	free(text);
}

/* --- what is right --------------------------------------------------------- */

static void test_an_empty_file_is_the_defaults(void **state)
{
	static const char *const texts[] = {
		"", "\n", "# nothing\n", "#", "#\n\t \r\n", "log { }"
	};
	struct conf expected;

	(void)state;
	conf_defaults(&expected);
	expected.core_uid = 900;
	expected.core_gid = 901;
	expected.net_uid = 910;
	expected.net_gid = 911;
	expected.admin_gid = 902;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_memory_equal(parsed(texts[i]), &expected, sizeof(expected));
}

static void test_a_host_without_our_user(void **state)
{
	(void)state;
	assert_int_equal(conf_file_parse("", 0, &no_names, &conf, NULL), 0);
	assert_int_equal(conf.core_uid, REEVE_CORE_UID);
	assert_int_equal(conf.core_gid, REEVE_CORE_UID);
	assert_int_equal(conf.net_uid, REEVE_NET_UID);
	assert_int_equal(conf.net_gid, REEVE_NET_UID);
	assert_int_equal(conf.admin_gid, CONF_NO_GID);
}

static int root_user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid)
{
	(void)name;
	*ret_uid = 0;
	*ret_gid = 0;
	return 0;
}

static void test_our_user_must_not_be_root(void **state)
{
	const struct conf_names bad = { .user = root_user, .group = no_group };
	struct err e = { 0 };

	(void)state;
	assert_int_equal(conf_file_parse("", 0, &bad, &conf, &e), -EINVAL);
	assert_string_equal(e.text, "reeve-core must not run as root, nor in root's group");
}

static void test_host_part(void **state)
{
	const struct conf *c = parsed("cpus = \"2-127\"   # what may be leased\n"
				      "never = 0\n"
				      "admin-group = 'staff'\n"
				      "log { format = \"json\" level = debug }\n"
				      "mtl { socket = \"/run/x.sock\" closed = false }\n"
				      "stack { config = \"/etc/x.json\" }\n");

	(void)state;
	assert_list(&c->cpus, "2-127");
	assert_list(&c->never, "0");
	assert_int_equal(c->admin_gid, 50);
	assert_int_equal(c->log_format, LOG_JSON);
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_string_equal(c->mtl_path, "/run/x.sock");
	assert_string_equal(c->stack_config, "/etc/x.json");
	assert_int_equal(c->planes, 1U << PLANE_MTL);
	assert_int_equal(c->closed, 0);
}

static void test_no_admin_group(void **state)
{
	(void)state;
	assert_int_equal(parsed("admin-group = \"\"")->admin_gid, CONF_NO_GID);
}

static void test_planes(void **state)
{
	(void)state;
	assert_int_equal(parsed("planes = {\"mtl\"}")->planes, 1U << PLANE_MTL);
	assert_int_equal(parsed("planes = \"mtl\"")->planes, 1U << PLANE_MTL);
	assert_int_equal(parsed("planes = {}")->planes, 0);
	assert_int_equal(parsed("planes = {}")->closed, 0);
	assert_int_equal(parsed("mtl { closed = true }")->planes, 0);
	assert_int_equal(parsed("mtl { closed = true }")->closed, 1U << PLANE_MTL);
	assert_int_equal(parsed("planes = {} mtl { closed = true }")->planes, 0);
	assert_int_equal(parsed("planes = {\"mtl\", \"stack\"}")->planes,
			 1U << PLANE_MTL | 1U << PLANE_STACK);
	assert_int_equal(parsed("stack { closed = true }")->closed, 1U << PLANE_STACK);
}

static void test_a_parse_that_failed_leaves_nothing_behind(void **state)
{
	(void)state;
	assert_int_equal(parse("tenant a { uids = \"1\" foo", &conf, NULL), -EINVAL);
	assert_int_equal(parse("cpus = ", &conf, NULL), -EINVAL);
	assert_list(&parsed("cpus = \"3\"")->cpus, "3");
}

static void test_reading(void **state)
{
	struct err e = { 0 };
	char *text = NULL;
	size_t len = 99;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(write(p[1], "cpus", 4), 4);
	close(p[1]);
	assert_int_equal(conf_file_read(p[0], &text, &len, &e), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(text, "cpus", 4);
	free(text);
	close(p[0]);
	assert_int_equal(conf_file_read(p[0], &text, &len, &e), -EBADF);
	assert_string_equal(e.text, "reeve.conf: can't read it: Bad file descriptor");
}

static void test_reading_too_much(void **state)
{
	struct err e = { 0 };
	char *text = NULL;
	size_t len;
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(conf_file_read(fd, &text, &len, &e), -EFBIG);
	assert_string_equal(e.text, "reeve.conf: the file is larger than 1048576 bytes");
	assert_null(text);
	close(fd);
}

static void test_names_of_this_host(void **state)
{
	uint32_t uid = 1, gid = 1;

	(void)state;
	assert_int_equal(conf_names_host.user("root", &uid, &gid), 0);
	assert_int_equal(uid, 0);
	assert_int_equal(conf_names_host.user("no such user:", &uid, &gid), -ENOENT);
	assert_int_equal(conf_names_host.group("no such group:", &gid), -ENOENT);
}

/* The file that is shipped means what no file means: every line of it is a comment or harmless. */
static void test_the_shipped_example(void **state)
{
	const char *slash = strstr(__FILE__, "test/unit/");
	_cleanup_free_ char *text = NULL;
	_cleanup_fd_ int fd = -1;
	struct conf expected;
	char path[4096];
	size_t len;

	(void)state;
	snprintf(path, sizeof(path), "%.*scontrib/reeve.conf", (int)(slash - __FILE__), __FILE__);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(conf_file_read(fd, &text, &len, NULL), 0);
	assert_int_equal(conf_file_parse(text, len, &no_names, &conf, NULL), 0);
	conf_defaults(&expected);
	assert_memory_equal(&conf, &expected, sizeof(conf));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_no_hidden_meaning),
		cmocka_unit_test(test_said_twice),
		cmocka_unit_test(test_host_values),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_an_empty_file_is_the_defaults),
		cmocka_unit_test(test_a_host_without_our_user),
		cmocka_unit_test(test_our_user_must_not_be_root),
		cmocka_unit_test(test_host_part),
		cmocka_unit_test(test_no_admin_group),
		cmocka_unit_test(test_planes),
		cmocka_unit_test(test_a_parse_that_failed_leaves_nothing_behind),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_reading_too_much),
		cmocka_unit_test(test_names_of_this_host),
		cmocka_unit_test(test_the_shipped_example),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
