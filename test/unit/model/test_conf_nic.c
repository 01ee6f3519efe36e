/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

enum { MEDIA = 2, PLAIN };

static void put(struct nic_pattern *p, const char *text)
{
	memset(p, 0, sizeof(*p));
	str_copy(p->text, sizeof(p->text), text);
}

/* Two tenants: `media` may use "ens*" without limit, `plain` has a quota of nothing. */
static int setup(void **state)
{
	struct conf *c = malloc(sizeof(*c));

	if (!c)
		return -1;
	conf_defaults(c);
	c->ntenants = 4;
	str_copy(c->tenants[MEDIA].name, TENANT_NAME_MAX, "media");
	str_copy(c->tenants[PLAIN].name, TENANT_NAME_MAX, "plain");
	put(&c->tenants[MEDIA].nics[c->tenants[MEDIA].nnics++], "ens*");
	c->tenants[MEDIA].quota.max[RES_XDP] = QUOTA_NONE;
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static struct nic_conf *add_section(struct conf *c, const char *name)
{
	struct nic_conf *n = &c->nic_confs[c->nnic_confs++];

	*n = nic_conf_defaults;
	put(&n->name, name);
	return n;
}

static void assert_refused(const struct conf *c, int code, const char *sentence)
{
	struct err e = { 0 };

	assert_int_equal(conf_check(c, &e), -code);
	assert_int_equal(e.code, code);
	assert_string_equal(e.text, sentence);
	assert_int_equal(conf_check(c, NULL), -code);
}

static bool matches(const char *pattern, const char *name)
{
	struct nic_pattern p;

	put(&p, pattern);
	return nic_pattern_matches(&p, name);
}

static void test_patterns(void **state)
{
	(void)state;
	assert_true(matches("eth0", "eth0"));
	assert_false(matches("eth0", "eth"));
	assert_false(matches("eth0", "eth01"));
	assert_true(matches("ens*", "ens"));
	assert_true(matches("ens*", "ens1f0"));
	assert_false(matches("ens*", "en"));
	assert_false(matches("ens*", "xens1"));
	assert_true(matches("*", "a"));
	assert_true(matches("*", "abcdefghijklmno"));
	assert_true(matches("abcdefghijklmno", "abcdefghijklmno"));
	assert_true(matches("abcdefghijklmn*", "abcdefghijklmno"));
	assert_false(matches("abcdefghijklmn*", "abcdefghijklm"));
}

static void assert_pattern(struct conf *c, const char *text, const char *sentence)
{
	put(&c->nics[0], text);
	c->nnics = 1;
	if (sentence)
		assert_refused(c, EINVAL, sentence);
	else
		assert_int_equal(conf_check(c, NULL), 0);
}

static void test_sound_patterns(void **state)
{
	static const char *const sound[] = {
		"*", ".*", "e*", "eth0", "abcdefghijklmno", "abcdefghijklmn*", "veth-1_x.2@y"
	};

	for (size_t i = 0; i < ARRAY_SIZE(sound); i++)
		assert_pattern(*state, sound[i], NULL);
}

static void test_unsound_patterns(void **state)
{
	struct conf *c = *state;

	assert_pattern(c, "", "a NIC's name has 1 to 15 characters");
	assert_pattern(c, "e*0", "\"e*0\" is no NIC's name nor a pattern such as \"ens*\"");
	assert_pattern(c, "**", "\"**\" is no NIC's name nor a pattern such as \"ens*\"");
	assert_pattern(c, "..", "\"..\" is no NIC's name nor a pattern such as \"ens*\"");
	assert_pattern(c, "a/b", "\"a/b\" is no NIC's name nor a pattern such as \"ens*\"");
	assert_pattern(c, "a b", "\"a b\" is no NIC's name nor a pattern such as \"ens*\"");
	assert_pattern(c, "a\n", "a NIC's name contains a byte that is no printable ASCII");
	assert_pattern(c, "a\xff", "a NIC's name contains a byte that is no printable ASCII");
	memset(c->nics[0].text, 'x', NIC_NAME_MAX);
	assert_refused(c, EINVAL, "a NIC's name has 1 to 15 characters");
}

static void test_every_pattern_is_looked_at(void **state)
{
	struct conf *c = *state;

	for (c->nnics = 0; c->nnics < CONF_NICS_MAX; c->nnics++)
		put(&c->nics[c->nnics], "eth0");
	c->tenants[MEDIA].nnics = TENANT_NICS_MAX;
	for (uint32_t i = 0; i < TENANT_NICS_MAX; i++)
		put(&c->tenants[MEDIA].nics[i], "eth0");
	assert_int_equal(conf_check(c, NULL), 0);
	put(&c->tenants[MEDIA].nics[TENANT_NICS_MAX - 1], "/");
	assert_refused(c, EINVAL, "\"/\" is no NIC's name nor a pattern such as \"ens*\"");
	put(&c->nics[CONF_NICS_MAX - 1], "?/");
	assert_refused(c, EINVAL, "\"?/\" is no NIC's name nor a pattern such as \"ens*\"");
}

static void test_counts_beyond_the_arrays(void **state)
{
	struct conf *c = *state;

	c->nnic_confs = CONF_NICS_MAX + 1;
	assert_refused(c, EBADMSG, "the configuration has 33 sections about NICs");
	c->nnic_confs = UINT32_MAX;
	assert_refused(c, EBADMSG, "the configuration has 4294967295 sections about NICs");
	c->nnics = CONF_NICS_MAX + 1;
	assert_refused(c, EINVAL, "a list has more than 32 NICs");
	c->nnics = UINT32_MAX;
	assert_refused(c, EINVAL, "a list has more than 32 NICs");
	c->nnics = 0;
	c->nnic_confs = 0;
	c->tenants[PLAIN].nnics = TENANT_NICS_MAX + 1;
	assert_refused(c, EINVAL, "a list has more than 16 NICs");
	c->tenants[PLAIN].nnics = UINT32_MAX;
	assert_refused(c, EINVAL, "a list has more than 16 NICs");
}

static void test_no_nics(void **state)
{
	struct conf *c = *state;

	c->no_nics = 1;
	assert_int_equal(conf_check(c, NULL), 0);
	assert_false(conf_may_use_nic(c, "eth0"));
	assert_int_equal(conf_nic_tenants(c, "ens1"), 0);
	c->no_nics = 2;
	assert_refused(c, EINVAL, "the list of NICs contradicts itself");
	c->no_nics = 1;
	put(&c->nics[c->nnics++], "eth0");
	assert_refused(c, EINVAL, "the list of NICs contradicts itself");
}

static void test_sections(void **state)
{
	struct conf *c = *state;
	struct nic_conf *n;

	add_section(c, "eth0");
	n = add_section(c, "eth*");
	n->form = NIC_WANT_DISPATCHER;
	n->mode = NIC_MODE_ONLY_GENERIC;
	n->channels = NIC_QUEUES_MAX;
	n->system_queues = NIC_QUEUES_MAX - 1;
	assert_int_equal(conf_check(c, NULL), 0);
	n->form = NIC_WANT_SINGLE;
	n->soft_flows = 1;
	n->system_queues = 0;
	assert_int_equal(conf_check(c, NULL), 0);
	put(&n->name, "eth0");
	assert_refused(c, EINVAL, "two sections describe NIC \"eth0\"");
	put(&n->name, "..");
	assert_refused(c, EINVAL, "\"..\" is no NIC's name nor a pattern such as \"ens*\"");
	memset(n->name.text, 'x', NIC_NAME_MAX);
	assert_refused(c, EINVAL, "a NIC's name has 1 to 15 characters");
}

static void test_values_of_a_section(void **state)
{
	struct conf *c = *state;
	struct nic_conf *n = add_section(c, "eth0");

	n->form = NIC_WANT_EITHER;
	assert_refused(c, EINVAL, "xdp is no known form");
	n->form = NIC_WANT_MAX;
	assert_refused(c, EINVAL, "xdp is no known form");
	n->form = UINT32_MAX;
	assert_refused(c, EINVAL, "xdp is no known form");
	*n = (struct nic_conf){ .name = n->name, .mode = NIC_WANT_MODE_MAX };
	assert_refused(c, EINVAL, "mode is no known one");
	*n = (struct nic_conf){ .name = n->name, .channels = NIC_QUEUES_MAX + 1 };
	assert_refused(c, EINVAL, "channels is a number from 0 to 256");
	*n = (struct nic_conf){ .name = n->name, .system_queues = NIC_QUEUES_MAX };
	assert_refused(c, EINVAL, "system-queues is a number from 0 to 255");
	*n = (struct nic_conf){ .name = n->name, .soft_flows = 2 };
	assert_refused(c, EINVAL, "soft-flows is neither true nor false");
	*n = (struct nic_conf){ .name = n->name, .soft_flows = 1, .form = NIC_WANT_DISPATCHER };
	assert_refused(c, EINVAL, "soft-flows do not go with xdp = \"dispatcher\"");
}

static void test_the_first_section_counts(void **state)
{
	struct conf *c = *state;

	add_section(c, "ens1")->channels = 1;
	add_section(c, "ens*")->channels = 2;
	add_section(c, "ens2")->channels = 3;
	add_section(c, "*")->channels = 4;
	assert_int_equal(conf_nic(c, "ens1")->channels, 1);
	assert_int_equal(conf_nic(c, "ens2")->channels, 2);
	assert_int_equal(conf_nic(c, "eth0")->channels, 4);
}

static void test_a_nic_without_a_section(void **state)
{
	struct conf *c = *state;
	const struct nic_conf *n;

	add_section(c, "ens1")->channels = 1;
	n = conf_nic(c, "ens10");
	assert_int_equal(n->form, NIC_WANT_AUTO);
	assert_int_equal(n->mode, NIC_MODE_AUTO);
	assert_int_equal(n->channels, 0);
	assert_int_equal(n->system_queues, 1);
	assert_int_equal(n->soft_flows, 0);
}

static void test_which_nics_reeve_may_use(void **state)
{
	struct conf *c = *state;

	assert_true(conf_may_use_nic(c, "eth0"));
	put(&c->nics[c->nnics++], "ens*");
	put(&c->nics[c->nnics++], "eth0");
	assert_true(conf_may_use_nic(c, "eth0"));
	assert_true(conf_may_use_nic(c, "ens7"));
	assert_false(conf_may_use_nic(c, "eth1"));
}

static void test_which_nics_a_tenant_may_use(void **state)
{
	struct conf *c = *state;

	assert_true(conf_tenant_may_use_nic(c, MEDIA, "ens1"));
	assert_false(conf_tenant_may_use_nic(c, MEDIA, "eth0"));
	assert_true(conf_tenant_may_use_nic(c, TENANT_SYSTEM, "eth0"));
	assert_false(conf_tenant_may_use_nic(c, TENANT_DEFAULT, "eth0"));
	assert_false(conf_tenant_may_use_nic(c, PLAIN, "ens1"));
	c->tenants[PLAIN].quota.max[RES_XDP] = 1;
	assert_true(conf_tenant_may_use_nic(c, PLAIN, "ens1"));
	c->tenants[MEDIA].quota.max[RES_XDP] = 0;
	assert_false(conf_tenant_may_use_nic(c, MEDIA, "ens1"));
	assert_false(conf_tenant_may_use_nic(c, c->ntenants, "ens1"));
	assert_false(conf_tenant_may_use_nic(c, UINT32_MAX, "ens1"));
}

static void test_the_hosts_list_binds_tenants(void **state)
{
	struct conf *c = *state;

	put(&c->nics[c->nnics++], "ens1");
	assert_true(conf_tenant_may_use_nic(c, MEDIA, "ens1"));
	assert_false(conf_tenant_may_use_nic(c, MEDIA, "ens2"));
	assert_false(conf_tenant_may_use_nic(c, TENANT_SYSTEM, "eth0"));
}

static void test_how_many_tenants_may(void **state)
{
	struct conf *c = *state;

	assert_int_equal(conf_nic_tenants(c, "ens1"), 2);
	assert_int_equal(conf_nic_tenants(c, "eth0"), 1);
	c->tenants[TENANT_SYSTEM].quota.max[RES_XDP] = 0;
	assert_int_equal(conf_nic_tenants(c, "eth0"), 0);
}

#define with_conf(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_conf(test_patterns),
		with_conf(test_sound_patterns),
		with_conf(test_unsound_patterns),
		with_conf(test_every_pattern_is_looked_at),
		with_conf(test_counts_beyond_the_arrays),
		with_conf(test_no_nics),
		with_conf(test_sections),
		with_conf(test_values_of_a_section),
		with_conf(test_the_first_section_counts),
		with_conf(test_a_nic_without_a_section),
		with_conf(test_which_nics_reeve_may_use),
		with_conf(test_which_nics_a_tenant_may_use),
		with_conf(test_the_hosts_list_binds_tenants),
		with_conf(test_how_many_tenants_may),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
