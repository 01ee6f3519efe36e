/* SPDX-License-Identifier: BSD-3-Clause */
/* The lists `nics`, of the host and of a tenant, and the sections `nic`. */
#include "parse.h"

static void test_lists(void **state)
{
	static const struct bad bad[] = {
		{ "\nnics = {\"eth0\",\n\"e*0\"}",
		  "reeve.conf:3: \"e*0\" is no NIC's name nor a pattern such as \"ens*\"" },
		{ "nics = \"\"", "reeve.conf:1: a NIC's name has 1 to 15 characters" },
		{ "nics = abcdefghijklmnop", "reeve.conf:1: a NIC's name has 1 to 15 characters" },
		{ "nics = \"..\"",
		  "reeve.conf:1: \"..\" is no NIC's name nor a pattern such as \"ens*\"" },
		{ "nics = {\"a\"}\nnics = {\"b\"}", "reeve.conf:2: 'nics' is set twice" },
		{ "nics = {\"a\"}\nnics = {}", "reeve.conf:2: 'nics' is set twice" },
		{ "nics = {}\n\nnics = {\"a\"}", "reeve.conf:3: 'nics' is set twice" },
		{ "nics = {}\nnics = {}", "reeve.conf:2: 'nics' is set twice" },
		{ "nics = {{}}", "reeve.conf:1: unexpected token '{'" },
		{ "nics = {\"a\" = {}}", "reeve.conf:1: unexpected token '='" },
		{ "nics = {} {}", "reeve.conf:1: unexpected token '{'" },
		{ "cpus = { }", "reeve.conf:1: 'cpus' is no list" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_a_tenants_list(void **state)
{
	static const struct bad bad[] = {
		{ "tenant a {\n uids = 1\n nics = {\"eth0\",\n \"a/b\"}\n}",
		  "reeve.conf:4: \"a/b\" is no NIC's name nor a pattern such as \"ens*\"" },
		{ "tenant a {\n uids = 1\n nics = {}\n}",
		  "reeve.conf:3: the list of NICs of tenant \"a\" is empty: `quota { xdp = 0 }` says "
		  "that it may use none" },
		{ "tenant system {\n nics = {} }",
		  "reeve.conf:2: the list of NICs of tenant \"system\" is empty: "
		  "`quota { xdp = 0 }` says that it may use none" },
		{ "tenant a {\n nics = {\"a\"}\n nics = {}\n}",
		  "reeve.conf:3: 'nics' is set twice" },
		{ "tenant a {\n nics = {\"0\",\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\","
		  "\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\n\"16\"}\n}",
		  "reeve.conf:3: tenant \"a\" has more than 16 NICs" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_a_section(void **state)
{
	static const struct bad bad[] = {
		{ "nic { }", "reeve.conf:1: missing title for section 'nic'" },
		{ "nic \"\" { }", "reeve.conf:1: a NIC's name has 1 to 15 characters" },
		{ "nic abcdefghijklmnop {\n}",
		  "reeve.conf:2: a NIC's name has 1 to 15 characters" },
		{ "nic \"e*0\" {\n channels = 4\n}",
		  "reeve.conf:3: \"e*0\" is no NIC's name nor a pattern such as \"ens*\"" },
		{ "nic a { }\nnic \"a*\" { }\nnic a { }",
		  "reeve.conf:3: found duplicate title 'a'" },
		{ "nic a { queues = 4 }", "reeve.conf:1: no such option 'queues'" },
		{ "nic a {\n xdp = none\n}",
		  "reeve.conf:2: xdp is auto, dispatcher or single, not \"none\"" },
		{ "nic a {\n xdp = either\n}",
		  "reeve.conf:2: xdp is auto, dispatcher or single, not \"either\"" },
		{ "nic a {\n mode = offload\n}",
		  "reeve.conf:2: mode is auto, native or generic, not \"offload\"" },
		{ "nic a {\n channels = 257\n}",
		  "reeve.conf:2: channels is a number from 0 to 256" },
		{ "nic a { channels = 99999999999999999999 }",
		  "reeve.conf:1: channels is a number from 0 to 256" },
		{ "nic a { channels = 4294967297 }",
		  "reeve.conf:1: channels is a number from 0 to 256" },
		{ "nic a { channels = -1 }", "reeve.conf:1: channels is a number, not \"-1\"" },
		{ "nic a { channels = \"\" }", "reeve.conf:1: channels is a number, not \"\"" },
		{ "nic a { channels = {} }", "reeve.conf:1: 'channels' is no list" },
		{ "nic a {\n system-queues = 256\n}",
		  "reeve.conf:2: system-queues is a number from 0 to 255" },
		{ "nic a { system-queues = all }",
		  "reeve.conf:1: system-queues is a number, not \"all\"" },
		{ "nic a { soft-flows = yes }",
		  "reeve.conf:1: soft-flows is true or false, not \"yes\"" },
		{ "nic a {\n soft-flows = true\n xdp = dispatcher\n}",
		  "reeve.conf:2: soft-flows do not go with xdp = \"dispatcher\"" },
		{ "nic a { mode = native mode = native }", "reeve.conf:1: 'mode' is set twice" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_addresses_of_a_tenant(void **state)
{
	static const struct bad bad[] = {
		{ "tenant a {\n uids = 1\n addresses = {\"10.0.0.0/8\",\n \"10.0.0.1/8\"}\n}",
		  "reeve.conf:4: \"10.0.0.1/8\" is no network such as \"10.0.0.0/24\" or "
		  "\"2001:db8::/64\", nor an address" },
		{ "addresses = {\"10.0.0.0/8\"}", "reeve.conf:1: no such option 'addresses'" },
	};
	const struct conf *c = parsed("tenant a { uids = 7 addresses = {\"10.0.0.0/8\", "
				      "\"2001:db8::/64\", \"192.0.2.1\"} }");

	(void)state;
	assert_int_equal(c->tenants[2].nnets, 3);
	assert_int_equal(c->tenants[2].nets[0].bits, 8);
	assert_int_equal(c->tenants[2].nets[1].bits, 64);
	assert_int_equal(c->tenants[2].nets[2].bits, 32);
	assert_true(c->tenants[2].quota.max[RES_ADDRESS] == QUOTA_NONE);
	assert_int_equal(c->tenants[TENANT_DEFAULT].quota.max[RES_ADDRESS], 0);
	assert_true(c->tenants[TENANT_SYSTEM].quota.max[RES_ADDRESS] == QUOTA_NONE);
	c = parsed("tenant a { uids = 7 quota { address = 4 } addresses = \"10.0.0.0/8\" }");
	assert_int_equal(c->tenants[2].quota.max[RES_ADDRESS], 4);
	c = parsed("tenant a { uids = 7 addresses = {} }");
	assert_int_equal(c->tenants[2].quota.max[RES_ADDRESS], 0);
	assert_refusals(bad);
}

static void test_nics_of_the_host(void **state)
{
	const struct conf *c = parsed("nics = {\"ens*\", eth0}");

	(void)state;
	assert_int_equal(c->no_nics, 0);
	assert_int_equal(c->nnics, 2);
	assert_string_equal(c->nics[0].text, "ens*");
	assert_string_equal(c->nics[1].text, "eth0");
	assert_int_equal(parsed("nics = \"*\"")->nnics, 1);
}

static void test_an_empty_list_is_no_absent_one(void **state)
{
	static const char *const empty[] = { "nics = {}", "nics={ }",
					     "nics = # none\n{\n# at\n\n# all }\n}\nlog { }" };

	(void)state;
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		assert_int_equal(parsed(empty[i])->no_nics, 1);
		assert_int_equal(parsed(empty[i])->nnics, 0);
	}
	assert_int_equal(parsed("planes = {}")->no_nics, 0);
	assert_int_equal(parsed("planes = {}")->nnics, 0);
}

static void test_empty_lists_of_other_keys(void **state)
{
	const struct conf *c = parsed("tenant a { uids = {} users = { } gids = 7 groups = {} }");

	(void)state;
	assert_int_equal(c->tenants[2].nuids, 0);
	assert_int_equal(c->tenants[2].ngids, 1);
}

/* A section's own empty braces are no list. */
static void test_lines_behind_an_empty_list(void **state)
{
	static const struct bad bad[] = {
		{ "nics = {\n}\nlog {\n}\nfoo = 1", "reeve.conf:5: no such option 'foo'" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_sections(void **state)
{
	const struct conf *c = parsed("nic \"ens1f0\" {\n"
				      "\tsoft-flows = true\n"
				      "\tsystem-queues = 0\n"
				      "\tchannels = 8\n"
				      "\tmode = native\n"
				      "\txdp = \"single\"\n"
				      "}\n"
				      "nic \"ens*\" { xdp = dispatcher mode = generic }\n"
				      "nic eth0 { channels = 256 system-queues = 255 }\n");
	const struct nic_conf *n = c->nic_confs;

	(void)state;
	assert_int_equal(c->nnic_confs, 3);
	assert_string_equal(n[0].name.text, "ens1f0");
	assert_int_equal(n[0].form, NIC_WANT_SINGLE);
	assert_int_equal(n[0].mode, NIC_MODE_ONLY_NATIVE);
	assert_int_equal(n[0].channels, 8);
	assert_int_equal(n[0].system_queues, 0);
	assert_int_equal(n[0].soft_flows, 1);
	assert_string_equal(n[1].name.text, "ens*");
	assert_int_equal(n[1].form, NIC_WANT_DISPATCHER);
	assert_int_equal(n[1].mode, NIC_MODE_ONLY_GENERIC);
	assert_int_equal(n[2].channels, 256);
	assert_int_equal(n[2].system_queues, 255);
}

static void test_what_a_section_does_not_say(void **state)
{
	const struct conf *c = parsed("nic eth0 { }\n"
				      "nic eth1 { xdp = auto mode = auto channels = 0\n"
				      "           system-queues = 1 soft-flows = false }");

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct nic_conf expected = nic_conf_defaults;

		expected.name = c->nic_confs[i].name;
		assert_memory_equal(&c->nic_confs[i], &expected, sizeof(expected));
	}
}

static void test_the_files_order_of_sections_is_kept(void **state)
{
	const struct conf *c = parsed("nic \"e*\" { channels = 1 }\n"
				      "tenant default { }\n"
				      "nic eth0 { channels = 2 }\n");

	(void)state;
	assert_int_equal(conf_nic(c, "eth0")->channels, 1);
	c = parsed("nic eth0 { channels = 2 }\nnic \"e*\" { channels = 1 }");
	assert_int_equal(conf_nic(c, "eth0")->channels, 2);
}

static void sections(char *text, size_t size, unsigned n)
{
	size_t used = 0;

	for (unsigned i = 0; i < n; i++)
		used += (size_t)snprintf(text + used, size - used, "nic n%u { }\n", i);
}

static void test_too_many(void **state)
{
	char text[8192];
	struct err e = { 0 };

	(void)state;
	sections(text, sizeof(text), CONF_NICS_MAX);
	assert_int_equal(parsed(text)->nnic_confs, CONF_NICS_MAX);
	sections(text, sizeof(text), CONF_NICS_MAX + 1);
	assert_int_equal(parse(text, &conf, &e), -EINVAL);
	assert_string_equal(e.text, "reeve.conf:33: there are more than 32 sections about NICs");
	sections(text, sizeof(text), 200);
	assert_int_equal(parse(text, &conf, &e), -EINVAL);
	assert_string_equal(e.text, "reeve.conf:65: there are more than 64 nics");
}

static void list(char *text, size_t size, unsigned n)
{
	size_t used = (size_t)snprintf(text, size, "nics = {n");

	for (unsigned i = 1; i < n; i++)
		used += (size_t)snprintf(text + used, size - used, ", n%u", i);
	snprintf(text + used, size - used, "}\n");
}

static void test_a_long_list(void **state)
{
	char text[1024];
	struct err e = { 0 };

	(void)state;
	list(text, sizeof(text), CONF_NICS_MAX);
	assert_int_equal(parsed(text)->nnics, CONF_NICS_MAX);
	list(text, sizeof(text), CONF_NICS_MAX + 1);
	assert_int_equal(parse(text, &conf, &e), -EINVAL);
	assert_string_equal(e.text, "reeve.conf:1: 'nics' has more than 32 values");
}

static void assert_nic_quota(const struct quota *q, uint32_t queue, uint32_t flow, uint32_t port,
			     uint32_t xdp)
{
	assert_int_equal(q->max[RES_QUEUE], queue);
	assert_int_equal(q->max[RES_FLOW], flow);
	assert_int_equal(q->max[RES_UDP_PORT], port);
	assert_int_equal(q->max[RES_XDP], xdp);
}

static void test_nics_of_a_tenant_lift_its_limits(void **state)
{
	const struct conf *c = parsed("tenant a { uids = 1 nics = {\"ens1\", \"veth*\"} }\n"
				      "tenant b { uids = 2 }\n");

	(void)state;
	assert_int_equal(c->tenants[2].nnics, 2);
	assert_string_equal(c->tenants[2].nics[1].text, "veth*");
	assert_nic_quota(&c->tenants[2].quota, QUOTA_NONE, QUOTA_NONE, QUOTA_NONE, 64);
	assert_int_equal(c->tenants[2].quota.max[RES_LCORE], QUOTA_NONE);
	assert_int_equal(c->tenants[2].quota.max[RES_QP], 0);
	assert_int_equal(c->tenants[2].quota.max[RES_VM], 0);
	assert_int_equal(c->tenants[3].nnics, 0);
	assert_nic_quota(&c->tenants[3].quota, 0, 0, 0, 0);
}

static void test_the_quota_has_the_last_word(void **state)
{
	static const char *const texts[] = {
		"tenant a { uids = 1 quota { queue = 4 flow = 0 } nics = eth0 }",
		"tenant a { uids = 1 nics = eth0 quota { queue = 4 flow = 0 } }",
	};

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_nic_quota(&parsed(texts[i])->tenants[2].quota, 4, 0, QUOTA_NONE, 64);
	assert_nic_quota(&parsed("tenant a { uids = 1 quota { xdp = 2 } }")->tenants[2].quota, 0, 0,
			 0, 2);
}

static void test_nics_of_built_in_tenants(void **state)
{
	const struct conf *c = parsed("");

	(void)state;
	assert_nic_quota(&c->tenants[TENANT_DEFAULT].quota, 0, 0, 0, 0);
	assert_nic_quota(&c->tenants[TENANT_SYSTEM].quota, QUOTA_NONE, QUOTA_NONE, QUOTA_NONE,
			 QUOTA_NONE);
	c = parsed("tenant default { nics = eth0 quota { queue = 1 } }\n"
		   "tenant system { quota { xdp = 0 } }");
	assert_nic_quota(&c->tenants[TENANT_DEFAULT].quota, 1, QUOTA_NONE, QUOTA_NONE, 64);
	assert_int_equal(c->tenants[TENANT_DEFAULT].quota.max[RES_LCORE], 16);
	assert_true(conf_tenant_may_use_nic(c, TENANT_DEFAULT, "eth0"));
	assert_false(conf_tenant_may_use_nic(c, TENANT_DEFAULT, "eth1"));
	assert_false(conf_tenant_may_use_nic(c, TENANT_SYSTEM, "eth0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_a_tenants_list),
		cmocka_unit_test(test_a_section),
		cmocka_unit_test(test_addresses_of_a_tenant),
		cmocka_unit_test(test_nics_of_the_host),
		cmocka_unit_test(test_an_empty_list_is_no_absent_one),
		cmocka_unit_test(test_empty_lists_of_other_keys),
		cmocka_unit_test(test_lines_behind_an_empty_list),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_what_a_section_does_not_say),
		cmocka_unit_test(test_the_files_order_of_sections_is_kept),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_a_long_list),
		cmocka_unit_test(test_nics_of_a_tenant_lift_its_limits),
		cmocka_unit_test(test_the_quota_has_the_last_word),
		cmocka_unit_test(test_nics_of_built_in_tenants),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
