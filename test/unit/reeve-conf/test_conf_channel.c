/* SPDX-License-Identifier: BSD-3-Clause */
/* A tenant's section `channel`. */
#include "parse.h"

#define MEMORY " is no amount of memory such as \"512M\""
#define RATE   " is no rate in bit/s such as \"2500M\""

static void test_what_is_none(void **state)
{
	static const struct bad bad[] = {
		{ "tenant default {\n channel {\n memory = 0 } }",
		  "reeve.conf:3: \"0\"" MEMORY },
		{ "tenant default { channel { memory = K } }", "reeve.conf:1: \"K\"" MEMORY },
		{ "tenant default { channel { memory = 1MB } }", "reeve.conf:1: \"1MB\"" MEMORY },
		{ "tenant default { channel { memory = 1k } }", "reeve.conf:1: \"1k\"" MEMORY },
		{ "tenant default { channel { memory = 1.5G } }",
		  "reeve.conf:1: \"1.5G\"" MEMORY },
		{ "tenant default { channel { memory = 16777216T } }",
		  "reeve.conf:1: \"16777216T\"" MEMORY },
		{ "tenant default { channel { memory = 1025T } }",
		  "reeve.conf:1: the memory of channels is at most 1024T" },
		{ "tenant default { channel { rate = 1K } }", "reeve.conf:1: \"1K\"" RATE },
		{ "tenant default { channel { rate = -1 } }", "reeve.conf:1: \"-1\"" RATE },
		{ "tenant default { channel { rate = 999 } }",
		  "reeve.conf:1: the rate of a channel is from 1k to 10T bit/s" },
		{ "tenant default { channel { ports = 0 } }",
		  "reeve.conf:1: \"0\" is no number of ports: 1 to 65535" },
		{ "tenant default { channel { ports = 65536 } }",
		  "reeve.conf:1: \"65536\" is no number of ports: 1 to 65535" },
		{ "tenant default { channel { ports = 1\n ports = 2 } }",
		  "reeve.conf:2: 'ports' is set twice" },
		{ "tenant default { channel { flows = 1 } }",
		  "reeve.conf:1: no such option 'flows'" },
	};

	(void)state;
	assert_refusals(bad);
}

static void test_a_section(void **state)
{
	const struct conf *c = parsed("tenant a { uids = 1\n"
				      " channel { memory = 3M rate = 2500M ports = 8 }\n"
				      " quota { channel = 4 } }\n"
				      "tenant b { uids = 2 channel { rate = 1k memory = 7 } }\n"
				      "tenant system { channel { memory = 1T rate = 10T } }\n");

	(void)state;
	assert_int_equal(c->tenants[2].channel.memory, 3 << 20);
	assert_int_equal(c->tenants[2].channel.rate, 2500000000);
	assert_int_equal(c->tenants[2].channel.ports, 8);
	assert_int_equal(c->tenants[2].quota.max[RES_CHANNEL], 4);
	assert_int_equal(c->tenants[3].channel.memory, 7);
	assert_int_equal(c->tenants[3].channel.rate, 1000);
	assert_int_equal(c->tenants[3].channel.ports, 0);
	assert_int_equal(c->tenants[3].quota.max[RES_CHANNEL], TENANT_CHANNELS);
	assert_int_equal(c->tenants[TENANT_SYSTEM].channel.memory, UINT64_C(1) << 40);
	assert_int_equal(c->tenants[TENANT_SYSTEM].channel.rate, CHANNEL_RATE_MAX);
	assert_int_equal(c->tenants[TENANT_DEFAULT].channel.rate, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_a_section),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
