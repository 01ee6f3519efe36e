/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of a tenant's section `channel`. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "reeve-conf/conf_keys.h"

static struct channel_terms *terms(struct build *b)
{
	return &b->c->tenants[b->tenant].channel;
}

static int check(struct build *b, struct err *e)
{
	return conf_check_tenant(b->c, b->tenant, RULE_CHANNEL, e);
}

/* "512M": digits and one letter or none, each letter `step` times the one before it. */
static int parse_amount(const char *text, const char *letters, uint64_t step, uint64_t *ret)
{
	size_t len = strspn(text, "0123456789");
	char digits[24] = "";
	uint64_t unit = 1, n;

	if (!len || len >= sizeof(digits) || (text[len] && text[len + 1]))
		return -EINVAL;
	memcpy(digits, text, len);
	if (text[len]) {
		const char *letter = strchr(letters, text[len]);

		if (!letter)
			return -EINVAL;
		for (size_t i = 0; i <= (size_t)(letter - letters); i++)
			unit *= step;
	}
	if (str_u64(digits, UINT64_MAX / unit, &n) < 0 || !n)
		return -EINVAL;
	*ret = n * unit;
	return 0;
}

static int set_memory(struct build *b, int arg, const char *text, struct err *e)
{
	(void)arg;
	if (parse_amount(text, "KMGT", 1024, &terms(b)->memory) < 0)
		return fail(e, EINVAL, "\"%s\" is no amount of memory such as \"512M\"", text);
	return check(b, e);
}

static int set_rate(struct build *b, int arg, const char *text, struct err *e)
{
	(void)arg;
	if (parse_amount(text, "kMGT", 1000, &terms(b)->rate) < 0)
		return fail(e, EINVAL, "\"%s\" is no rate in bit/s such as \"2500M\"", text);
	return check(b, e);
}

static int set_ports(struct build *b, int arg, const char *text, struct err *e)
{
	uint64_t n;

	(void)arg;
	if (str_u64(text, UINT16_MAX, &n) < 0 || !n)
		return fail(e, EINVAL, "\"%s\" is no number of ports: 1 to %d", text, UINT16_MAX);
	terms(b)->ports = (uint32_t)n;
	return check(b, e);
}

const struct key channel_keys[] = {
	{ "memory", false, 0, set_memory },
	{ "ports", false, 0, set_ports },
	{ "rate", false, 0, set_rate },
	{ NULL },
};
