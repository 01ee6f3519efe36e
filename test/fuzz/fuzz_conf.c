/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as reeve.conf: what is accepted keeps every rule, what is refused
 * says so in one printable sentence, and neither depends on what was parsed before.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "reeve-conf/conf_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Names from the host would make a run depend on it. */
static int user(const char *name, uint32_t *ret_uid, uint32_t *ret_gid)
{
	if (strcmp(name, "alice"))
		return -ENOENT;
	*ret_uid = 1500;
	*ret_gid = 1500;
	return 0;
}

static int group(const char *name, uint32_t *ret_gid)
{
	if (strcmp(name, "video"))
		return -ENOENT;
	*ret_gid = 44;
	return 0;
}

static const struct conf_names names = { .user = user, .group = group };

static void require(bool holds)
{
	if (!holds)
		__builtin_trap();
}

static void check_sentence(const struct err *e)
{
	require(e->code > 0);
	require(!strncmp(e->text, "reeve.conf:", strlen("reeve.conf:")));
	for (const char *p = e->text; *p; p++)
		require(isprint((unsigned char)*p));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf first, second;
	struct err e = { 0 }, again = { 0 };
	int r = conf_file_parse((const char *)data, size, &names, &first, &e);

	require(conf_file_parse((const char *)data, size, &names, &second, &again) == r);
	if (r < 0) {
		check_sentence(&e);
		require(!strcmp(e.text, again.text));
		return 0;
	}
	require(conf_check(&first, NULL) == 0);
	require(!memcmp(&first, &second, sizeof(first)));
	return 0;
}
