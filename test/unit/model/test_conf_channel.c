/* SPDX-License-Identifier: BSD-3-Clause */
#include "model/conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_terms(void **state)
{
	static const struct channel_terms good[] = {
		{ 0 },
		{ .memory = 1, .rate = CHANNEL_RATE_MIN, .ports = 1 },
		{ .memory = CHANNEL_MEMORY_MAX, .rate = CHANNEL_RATE_MAX, .ports = UINT16_MAX },
	};
	static const struct {
		struct channel_terms terms;
		const char *why;
	} bad[] = {
		{ { .memory = CHANNEL_MEMORY_MAX + 1 },
		  "the memory of channels is at most 1024T" },
		{ { .rate = CHANNEL_RATE_MIN - 1 },
		  "the rate of a channel is from 1k to 10T bit/s" },
		{ { .rate = CHANNEL_RATE_MAX + 1 },
		  "the rate of a channel is from 1k to 10T bit/s" },
		{ { .ports = UINT16_MAX + 1 }, "a channel has at most 65535 ports" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(channel_terms_check(&good[i], NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = { 0 };

		assert_int_equal(channel_terms_check(&bad[i].terms, &e), -EINVAL);
		assert_string_equal(e.text, bad[i].why);
	}
}

/* What another process made is held against it for each tenant. */
static void test_of_every_tenant(void **state)
{
	struct conf *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (uint32_t i = 0; i < 2; i++) {
		conf_defaults(c);
		assert_int_equal(conf_check(c, NULL), 0);
		c->tenants[i].channel.rate = 1;
		assert_int_equal(conf_check(c, NULL), -EINVAL);
	}
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_terms),
		cmocka_unit_test(test_of_every_tenant),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
