/* SPDX-License-Identifier: BSD-3-Clause */
/* The sections `tenant`: who is in one, what it gets, and how many there may be. */
#include "parse.h"

#include "base/clock.h"

#define HOUR_NS (3600 * NS_PER_S)

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_in_a_tenant),
		cmocka_unit_test(test_tenant_values),
		cmocka_unit_test(test_reservations),
		cmocka_unit_test(test_too_many_tenants),
		cmocka_unit_test(test_too_many_ranges),
		cmocka_unit_test(test_a_tenant),
		cmocka_unit_test(test_every_kind_has_a_quota_key),
		cmocka_unit_test(test_built_in_tenants_can_be_adjusted),
		cmocka_unit_test(test_units_of_time),
		cmocka_unit_test(test_a_backslash_in_single_quotes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
