/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/member.h"

#include <errno.h>

static void turn_bad(struct members *m, const char *name, const char *want)
{
	if (!m->bad)
		fail(m->e, EPROTO, "the daemon's reply has no member '%s' that is %s", name, want);
	m->bad = true;
}

/* NULL and a bad reader, unless it is of that type. */
static const json_t *member(struct members *m, const char *name, json_type type, const char *want)
{
	const json_t *v = m->bad ? NULL : json_object_get(m->object, name);

	if (v && json_typeof(v) == type)
		return v;
	turn_bad(m, name, want);
	return NULL;
}

static bool absent(const struct members *m, const char *name)
{
	const json_t *v = json_object_get(m->object, name);

	return json_is_object(m->object) && (!v || json_is_null(v));
}

uint64_t member_u64(struct members *m, const char *name, uint64_t max)
{
	const char *want = "a number in its range";
	const json_t *v = member(m, name, JSON_INTEGER, want);
	json_int_t n = json_integer_value(v);

	if (v && (n < 0 || (uint64_t)n > max)) {
		turn_bad(m, name, want);
		return 0;
	}
	return (uint64_t)n;
}

bool member_bool(struct members *m, const char *name)
{
	const json_t *v = m->bad ? NULL : json_object_get(m->object, name);

	if (!json_is_boolean(v))
		turn_bad(m, name, "true or false");
	return json_is_true(v);
}

const char *member_text(struct members *m, const char *name)
{
	const json_t *v = member(m, name, JSON_STRING, "a text");

	return v ? json_string_value(v) : "";
}

const json_t *member_array(struct members *m, const char *name)
{
	return member(m, name, JSON_ARRAY, "an array");
}

const json_t *member_object(struct members *m, const char *name)
{
	return member(m, name, JSON_OBJECT, "an object");
}

uint64_t member_opt_u64(struct members *m, const char *name, uint64_t max)
{
	return absent(m, name) ? 0 : member_u64(m, name, max);
}

const char *member_opt_text(struct members *m, const char *name)
{
	return absent(m, name) ? "" : member_text(m, name);
}
