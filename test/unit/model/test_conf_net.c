/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

enum { RED = 2 };

static void test_networks_that_are_none(void **state)
{
	static const char *const bad[] = {
		"",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/",
		"10.0.0.1/24",
		"10.0.0/24",
		"fd00::/129",
		"fd00::1/64",
		"/24",
		"10.0.0.0/24/1",
		"10.0.0.0/x",
		"::ffff:0:0/96",
		"10.0.0.0 /24",
		"fd00::/0x40",
		"*",
		"10.0.0.0/ 8",
		"10.0.0.0/024x",
		"255.255.255.0/23",
	};
	struct ip_net n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(ip_net_parse(bad[i], &n), -EINVAL);
}

static void reads(const char *text, uint32_t bits)
{
	struct ip_net n;

	assert_int_equal(ip_net_parse(text, &n), 0);
	assert_int_equal(n.bits, bits);
	assert_true(ip_net_sound(&n));
	n.bits = 129;
	assert_false(ip_net_sound(&n));
	n.bits = UINT32_MAX;
	assert_false(ip_net_sound(&n));
}

static void test_networks(void **state)
{
	(void)state;
	reads("10.0.0.0/24", 24);
	reads("10.0.0.1", 32);
	reads("0.0.0.0/0", 0);
	reads("255.255.254.0/23", 23);
	reads("2001:db8::/64", 64);
	reads("2001:db8::1", 128);
	reads("::/0", 0);
	reads("8000::/1", 1);
}

static bool may(const struct conf *c, uint32_t tenant, const char *text)
{
	struct ipaddr a;

	assert_int_equal(ipaddr_parse(text, &a), 0);
	return conf_tenant_may_have_address(c, tenant, &a);
}

static void give(struct conf *c, const char *text)
{
	struct tenant_conf *t = &c->tenants[RED];

	assert_int_equal(ip_net_parse(text, &t->nets[t->nnets++]), 0);
}

static void test_who_may_have_which(void **state)
{
	struct conf *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	conf_defaults(c);
	str_copy(c->tenants[c->ntenants++].name, TENANT_NAME_MAX, "red");
	assert_int_equal(conf_tenant(c, "red"), RED);
	assert_int_equal(conf_tenant(c, "blue"), c->ntenants);
	assert_true(may(c, TENANT_SYSTEM, "10.0.0.1"));
	assert_true(may(c, TENANT_SYSTEM, "fd00::1"));
	assert_false(may(c, TENANT_SYSTEM, "224.0.0.1"));
	assert_false(may(c, TENANT_SYSTEM, "::1"));
	assert_false(may(c, TENANT_DEFAULT, "10.0.0.1"));
	c->tenants[RED].quota.max[RES_ADDRESS] = 1;
	assert_false(conf_tenant_may_have_addresses(c, RED));
	assert_false(may(c, RED, "10.0.0.1"));
	give(c, "10.0.0.0/25");
	give(c, "fd00::/63");
	assert_int_equal(conf_check_tenant(c, RED, RULE_NETS, NULL), 0);
	assert_true(may(c, RED, "10.0.0.127"));
	assert_false(may(c, RED, "10.0.0.128"));
	assert_true(may(c, RED, "fd00:0:0:1::1"));
	assert_false(may(c, RED, "fd00:0:0:2::1"));
	assert_false(may(c, c->ntenants, "10.0.0.1"));
	c->tenants[RED].quota.max[RES_ADDRESS] = 0;
	assert_false(may(c, RED, "10.0.0.1"));
	c->tenants[RED].nets[1].bits = 300;
	assert_int_equal(conf_check_tenant(c, RED, RULE_NETS, NULL), -EINVAL);
	c->tenants[RED].nnets = TENANT_NETS_MAX + 1;
	assert_int_equal(conf_check_tenant(c, RED, RULE_NETS, NULL), -EINVAL);
	free(c);
}

/* A list keeps the tenant system to it, too. */
static void test_the_system_with_a_list(void **state)
{
	struct conf *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	conf_defaults(c);
	c->tenants[TENANT_SYSTEM].nnets = 1;
	assert_int_equal(ip_net_parse("0.0.0.0/0", c->tenants[TENANT_SYSTEM].nets), 0);
	assert_true(may(c, TENANT_SYSTEM, "10.0.0.1"));
	assert_false(may(c, TENANT_SYSTEM, "fd00::1"));
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks_that_are_none),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_who_may_have_which),
		cmocka_unit_test(test_the_system_with_a_list),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
