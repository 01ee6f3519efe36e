/* SPDX-License-Identifier: BSD-3-Clause */
#include "reeve-conf/conf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#define HOUR_NS (3600 * NS_PER_S)

/* --- a host with two users and two groups --------------------------------- */

static int fake_user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid)
{
	if (!strcmp(name, "broken"))
		return -EIO;
	if (strcmp(name, "alice") && strcmp(name, "reeve"))
		return -ENOENT;
	*ret_uid = name[0] == 'a' ? 1500 : 900;
	*ret_gid = name[0] == 'a' ? 100 : 901;
	return 0;
}

static int fake_group(const char *name, uint32_t *ret_gid)
{
	if (strcmp(name, "staff") && strcmp(name, "reeve"))
		return -ENOENT;
	*ret_gid = name[0] == 's' ? 50 : 902;
	return 0;
}

static const struct conf_names names = { .user = fake_user, .group = fake_group };

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

static int parse(const char *text, struct conf *ret, struct err *e)
{
	return conf_file_parse(text, strlen(text), &names, ret, e);
}

static struct conf conf;

static const struct conf *parsed(const char *text)
{
	struct err e = { 0 };

	memset(&conf, 0, sizeof(conf));
	if (parse(text, &conf, &e) < 0)
		fail_msg("%s", e.text);
	return &conf;
}

static void assert_list(const struct cpuset *s, const char *list)
{
	char text[128];

	cpuset_format(s, text, sizeof(text));
	assert_string_equal(text, list);
}

/* --- what is wrong, and how it is said ------------------------------------ */

struct bad {
	const char *text, *sentence;
};

static void assert_all_refused(const struct bad *bad, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err e = { 0 };

		memset(&conf, 0x5a, sizeof(conf));
		if (!parse(bad[i].text, &conf, &e))
			fail_msg("accepted: %s", bad[i].text);
		assert_string_equal(e.text, bad[i].sentence);
		assert_true(e.code > 0);
		assert_int_equal(conf.magic, 0x5a5a5a5a);
	}
}

#define assert_refusals(table) assert_all_refused(table, sizeof(table) / sizeof((table)[0]))

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
		{ "planes = {\"mtl\", \"stack\"}", "reeve.conf:1: there is no plane \"stack\"" },
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

static void test_who_is_in_a_tenant(void **state)
{
	static const struct bad bad[] = {
		{ "tenant a { uids = {\"10\",\n\"20-15\"} }",
		  "reeve.conf:2: the uid range 20-15 runs backwards" },
		{ "tenant a { gids = \"9-1\" }", "reeve.conf:1: the gid range 9-1 runs backwards" },
		{ "tenant a { uids = \"alice\" }",
		  "reeve.conf:1: \"alice\" is no uid nor a range such as \"1000-1999\"" },
		{ "tenant a { uids = \"-1\" }",
		  "reeve.conf:1: \"-1\" is no uid nor a range such as \"1000-1999\"" },
		{ "tenant a { gids = \"1-2-3\" }",
		  "reeve.conf:1: \"1-2-3\" is no gid nor a range such as \"1000-1999\"" },
		{ "tenant a { uids = \"4294967296\" }",
		  "reeve.conf:1: \"4294967296\" is no uid nor a range such as \"1000-1999\"" },
		{ "tenant a { uids = \"4294967295\" }", "reeve.conf:1: 4294967295 is no uid" },
		{ "tenant a { users = \"mallory\" }",
		  "reeve.conf:1: this host has no user \"mallory\"" },
		{ "tenant a { groups = \"mallory\" }",
		  "reeve.conf:1: this host has no group \"mallory\"" },
		{ "tenant a { users = \"broken\" }",
		  "reeve.conf:1: can't look up user \"broken\": Input/output error" },
		{ "tenant a {\n users = \"alice\"\n}\ntenant b {\n uids = \"1000-2000\"\n}",
		  "reeve.conf:5: uid 1500 belongs to tenants \"a\" and \"b\"" },
		{ "tenant a { groups = \"staff\" }\ntenant b { gids = \"50\" }",
		  "reeve.conf:2: gid 50 belongs to tenants \"a\" and \"b\"" },
		{ "tenant a { cgroup = \"/x\" }\ntenant b { cgroup = \"/x\" }",
		  "reeve.conf:2: cgroup \"/x\" belongs to tenants \"a\" and \"b\"" },
		{ "tenant a {\n cpus = \"4\"\n}",
		  "reeve.conf:3: nobody can be of tenant \"a\": it has no uids, users, gids, groups or "
		  "cgroup" },
		{ "tenant default { uids = \"5\" }",
		  "reeve.conf:1: who is of the built-in tenant \"default\" can't be configured" },
		{ "tenant system { groups = \"staff\" }",
		  "reeve.conf:1: who is of the built-in tenant \"system\" can't be configured" },
		{ "tenant system { cgroup = \"/x\" }",
		  "reeve.conf:1: who is of the built-in tenant \"system\" can't be configured" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_tenant_values(void **state)
{
	static const struct bad bad[] = {
		{ "tenant \"a b\" {\n uids = \"1\"\n}",
		  "reeve.conf:3: a tenant's name consists of letters, digits, \"-\", \"_\" and \".\"" },
		{ "tenant \"\" { uids = \"1\" }",
		  "reeve.conf:1: a tenant's name has 1 to 31 characters" },
		{ "tenant abcdefghijklmnopqrstuvwxyz012345 { }",
		  "reeve.conf:1: a tenant's name has 1 to 31 characters" },
		{ "tenant a { cgroup = \"media\" }",
		  "reeve.conf:1: cgroup \"media\" does not begin with \"/\"" },
		{ "tenant a { cgroup = \"/a/../b\" }",
		  "reeve.conf:1: cgroup \"/a/../b\" contains \"..\"" },
		{ "tenant a { cgroup = \"/a/\" }", "reeve.conf:1: cgroup \"/a/\" ends in \"/\"" },
		{ "tenant a { cgroup = \"\" }", "reeve.conf:1: the cgroup path is empty" },
		{ "tenant a {\n uids = \"1\"\n enforce = \"cpuset\"\n}",
		  "reeve.conf:3: enforce = \"cpuset\" needs a cgroup, and tenant \"a\" has none" },
		{ "tenant a { cgroup = \"/a\" enforce = \"hard\" }",
		  "reeve.conf:1: enforce is advisory, cpuset or isolated, not \"hard\"" },
		{ "tenant default { enforce = \"cpuset\" }",
		  "reeve.conf:1: enforce = \"cpuset\" needs a cgroup, and tenant \"default\" has none" },
		{ "tenant a { time-limit = \"8\" }",
		  "reeve.conf:1: \"8\" is no time limit such as \"500ms\", \"30s\", \"15m\", \"8h\" or "
		  "\"7d\"" },
		{ "tenant a { time-limit = \"0h\" }",
		  "reeve.conf:1: \"0h\" is no time limit such as \"500ms\", \"30s\", \"15m\", \"8h\" or "
		  "\"7d\"" },
		{ "tenant a { time-limit = \"h\" }",
		  "reeve.conf:1: \"h\" is no time limit such as \"500ms\", \"30s\", \"15m\", \"8h\" or "
		  "\"7d\"" },
		{ "tenant a { time-limit = \"3651d\" }",
		  "reeve.conf:1: a time limit is at most 3650 days" },
		{ "tenant a { time-limit = \"99999999999999999999d\" }",
		  "reeve.conf:1: a time limit is at most 3650 days" },
		{ "tenant a { quota { lcore = many } }",
		  "reeve.conf:1: \"many\" is no quota: a number, or -1 for no limit" },
		{ "tenant a { quota { lcore = -2 } }",
		  "reeve.conf:1: \"-2\" is no quota: a number, or -1 for no limit" },
		{ "tenant a { quota { lcore = 4294967295 } }",
		  "reeve.conf:1: \"4294967295\" is no quota: a number, or -1 for no limit" },
		{ "tenant a { quota { lcore = 0x10 } }",
		  "reeve.conf:1: \"0x10\" is no quota: a number, or -1 for no limit" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_reservations(void **state)
{
	static const struct bad bad[] = {
		{ "tenant a { uids = \"1\" cpus = \"1,x\" }",
		  "reeve.conf:1: \"1,x\" is no CPU list such as \"2-5,8\"" },
		{ "tenant a {\n uids = \"1\"\n cpus = \"4\"\n}\nnever = \"4\"",
		  "reeve.conf:3: CPU 4 is kept for tenant \"a\" but is in `never`" },
		{ "cpus = \"2-7\"\ntenant a { uids = \"1\" cpus = \"7-8\" }",
		  "reeve.conf:2: CPU 8 is kept for tenant \"a\" but is not in `cpus`" },
		{ "tenant a { uids = \"1\" cpus = \"4-7\" }\ntenant b { uids = \"2\" cpus = \"7\" }",
		  "reeve.conf:2: CPU 7 is kept for tenants \"a\" and \"b\"" },
		{ "tenant a { uids = \"1\" cpus = \"4\" }\ntenant system { cpus = \"4\" }",
		  "reeve.conf:2: CPU 4 is kept for tenants \"a\" and \"system\"" },
	};

	(void)state;
	assert_refusals(bad);
}

/* --- too much of it -------------------------------------------------------- */

static void tenants(char *text, size_t size, unsigned n)
{
	size_t used = 0;

	for (unsigned i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, size - used, "tenant t%u { uids = \"%u\" }\n",
					 i, i);
}

static void test_too_many_tenants(void **state)
{
	char text[8192];
	struct err e = { 0 };

	(void)state;
	tenants(text, sizeof(text), TENANT_MAX - 2);
	assert_int_equal(parsed(text)->ntenants, TENANT_MAX);
	tenants(text, sizeof(text), TENANT_MAX - 1);
	assert_int_equal(parse(text, &conf, &e), -EINVAL);
	assert_string_equal(
		e.text, "reeve.conf:63: there are more than 62 tenants beside the built-in ones");
	tenants(text, sizeof(text), 200);
	assert_int_equal(parse(text, &conf, &e), -EINVAL);
	assert_string_equal(e.text, "reeve.conf:65: there are more than 64 tenants");
}

static void ranges(char *text, size_t size, unsigned n, const char *more)
{
	size_t used = (size_t)snprintf(text, size, "tenant a { uids = {\"0\"");

	for (unsigned i = 1; i < n; i++)
		used += (size_t)snprintf(text + used, size - used, ", \"%u\"", 2 * i);
	snprintf(text + used, size - used, "} %s }\n", more);
}

static void test_too_many_ranges(void **state)
{
	char text[8192];
	struct err e = { 0 };

	(void)state;
	ranges(text, sizeof(text), TENANT_RANGES_MAX, "");
	assert_int_equal(parsed(text)->tenants[2].nuids, TENANT_RANGES_MAX);
	ranges(text, sizeof(text), TENANT_RANGES_MAX + 1, "");
	assert_int_equal(parse(text, &conf, &e), -EINVAL);
	assert_string_equal(e.text, "reeve.conf:1: 'uids' has more than 32 values");
	ranges(text, sizeof(text), TENANT_RANGES_MAX, "\nusers = \"alice\"");
	assert_int_equal(parse(text, &conf, &e), -EINVAL);
	assert_string_equal(e.text, "reeve.conf:2: tenant \"a\" has more than 32 uids and users");
}

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
				      "mtl { socket = \"/run/x.sock\" closed = false }\n");

	(void)state;
	assert_list(&c->cpus, "2-127");
	assert_list(&c->never, "0");
	assert_int_equal(c->admin_gid, 50);
	assert_int_equal(c->log_format, LOG_JSON);
	assert_int_equal(c->log_level, LOG_DEBUG);
	assert_string_equal(c->mtl_path, "/run/x.sock");
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
}

static void test_a_tenant(void **state)
{
	const struct conf *c = parsed("tenant media {\n"
				      "\tenforce = isolated\n"
				      "\tuids = {1000, \"2000-2010\"}\n"
				      "\tusers = {\"alice\"}\n"
				      "\tgids = {\"7\"}\n"
				      "\tgroups = {\"staff\"}\n"
				      "\tcgroup = \"/media.slice\"\n"
				      "\tcpus = \"4-7\"\n"
				      "\ttime-limit = \"8h\"\n"
				      "\tquota { queue = 4 udp_port = -1 }\n"
				      "}\n");
	const struct tenant_conf *t = &c->tenants[2];

	(void)state;
	assert_int_equal(c->ntenants, 3);
	assert_string_equal(t->name, "media");
	assert_int_equal(t->nuids, 3);
	assert_int_equal(t->uids[1].first, 2000);
	assert_int_equal(t->uids[1].last, 2010);
	assert_int_equal(t->uids[2].first, 1500);
	assert_int_equal(t->ngids, 2);
	assert_int_equal(t->gids[0].last, 7);
	assert_int_equal(t->gids[1].first, 50);
	assert_string_equal(t->cgroup, "/media.slice");
	assert_list(&t->cpus, "4-7");
	assert_int_equal(t->enforce, ENFORCE_ISOLATED);
	assert_int_equal(t->time_limit_ns, 8 * HOUR_NS);
	assert_int_equal(t->quota.max[RES_LCORE], QUOTA_NONE);
	assert_int_equal(t->quota.max[RES_QUEUE], 4);
	assert_int_equal(t->quota.max[RES_UDP_PORT], QUOTA_NONE);
	assert_int_equal(t->quota.max[RES_FLOW], 0);
}

static void test_every_kind_has_a_quota_key(void **state)
{
	char text[128];

	(void)state;
	for (uint32_t kind = 0; kind < RES_KIND_MAX; kind++) {
		snprintf(text, sizeof(text), "tenant default { quota { %s = 77 } }",
			 res_kind_name(kind));
		assert_int_equal(parsed(text)->tenants[TENANT_DEFAULT].quota.max[kind], 77);
	}
}

static void test_built_in_tenants_can_be_adjusted(void **state)
{
	const struct conf *c = parsed("tenant a { uids = \"1\" }\n"
				      "tenant system { quota { lcore = 3 } cpus = \"1\" }\n"
				      "tenant default { time-limit = \"30s\" }\n");

	(void)state;
	assert_int_equal(c->ntenants, 3);
	assert_string_equal(c->tenants[2].name, "a");
	assert_int_equal(c->tenants[TENANT_SYSTEM].quota.max[RES_LCORE], 3);
	assert_int_equal(c->tenants[TENANT_SYSTEM].quota.max[RES_VM], QUOTA_NONE);
	assert_list(&c->tenants[TENANT_SYSTEM].cpus, "1");
	assert_int_equal(c->tenants[TENANT_DEFAULT].quota.max[RES_LCORE], 16);
	assert_int_equal(c->tenants[TENANT_DEFAULT].time_limit_ns, 30 * NS_PER_S);
}

static void test_units_of_time(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} limits[] = {
		{ "500ms", 500 * NS_PER_MS }, { "30s", 30 * NS_PER_S },
		{ "15m", 900 * NS_PER_S },    { "8h", 8 * HOUR_NS },
		{ "7d", 168 * HOUR_NS },      { "3650d", CONF_TIME_LIMIT_MAX_NS },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		snprintf(text, sizeof(text), "tenant default { time-limit = %s }", limits[i].text);
		assert_int_equal(parsed(text)->tenants[TENANT_DEFAULT].time_limit_ns, limits[i].ns);
	}
}

/* The way systemd writes a "-" in a unit's name. */
static void test_a_backslash_in_single_quotes(void **state)
{
	const struct conf *c = parsed("tenant a { cgroup = '/system.slice/a\\x2db.service' }");

	(void)state;
	assert_string_equal(c->tenants[2].cgroup, "/system.slice/a\\x2db.service");
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
		cmocka_unit_test(test_who_is_in_a_tenant),
		cmocka_unit_test(test_tenant_values),
		cmocka_unit_test(test_reservations),
		cmocka_unit_test(test_too_many_tenants),
		cmocka_unit_test(test_too_many_ranges),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_an_empty_file_is_the_defaults),
		cmocka_unit_test(test_a_host_without_our_user),
		cmocka_unit_test(test_our_user_must_not_be_root),
		cmocka_unit_test(test_host_part),
		cmocka_unit_test(test_no_admin_group),
		cmocka_unit_test(test_planes),
		cmocka_unit_test(test_a_tenant),
		cmocka_unit_test(test_every_kind_has_a_quota_key),
		cmocka_unit_test(test_built_in_tenants_can_be_adjusted),
		cmocka_unit_test(test_units_of_time),
		cmocka_unit_test(test_a_backslash_in_single_quotes),
		cmocka_unit_test(test_a_parse_that_failed_leaves_nothing_behind),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_reading_too_much),
		cmocka_unit_test(test_names_of_this_host),
		cmocka_unit_test(test_the_shipped_example),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
