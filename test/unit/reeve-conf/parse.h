/* SPDX-License-Identifier: BSD-3-Clause */
/* A text as reeve.conf on a host with two users and two groups. */
#ifndef REEVE_TEST_REEVE_CONF_PARSE_H
#define REEVE_TEST_REEVE_CONF_PARSE_H

#include "reeve-conf/conf_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline int fake_user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid)
{
	if (!strcmp(name, "broken"))
		return -EIO;
	if (!strcmp(name, "reeve-net")) {
		*ret_uid = 910;
		*ret_gid = 911;
		return 0;
	}
	if (strcmp(name, "alice") && strcmp(name, "reeve"))
		return -ENOENT;
	*ret_uid = name[0] == 'a' ? 1500 : 900;
	*ret_gid = name[0] == 'a' ? 100 : 901;
	return 0;
}

static inline int fake_group(const char *name, uint32_t *ret_gid)
{
	if (strcmp(name, "staff") && strcmp(name, "reeve"))
		return -ENOENT;
	*ret_gid = name[0] == 's' ? 50 : 902;
	return 0;
}

static const struct conf_names names = { .user = fake_user, .group = fake_group };

static inline int parse(const char *text, struct conf *ret, struct err *e)
{
	return conf_file_parse(text, strlen(text), &names, ret, e);
}

static struct conf conf;

static inline const struct conf *parsed(const char *text)
{
	struct err e = { 0 };

	memset(&conf, 0, sizeof(conf));
	if (parse(text, &conf, &e) < 0)
		fail_msg("%s", e.text);
	return &conf;
}

static inline void assert_list(const struct cpuset *s, const char *list)
{
	char text[128];

	cpuset_format(s, text, sizeof(text));
	assert_string_equal(text, list);
}

/* --- what is wrong, and how it is said ------------------------------------ */

struct bad {
	const char *text, *sentence;
};

static inline void assert_all_refused(const struct bad *bad, size_t n)
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

#endif
