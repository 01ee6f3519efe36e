/* SPDX-License-Identifier: BSD-3-Clause */
#include "wire/params.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "model/conf.h"

/* Foreign text as far as it fits, never cut within a character. */
static void copy_utf8(char *to, size_t size, const char *from)
{
	size_t len = strlen(from);

	if (len >= size) {
		len = size - 1;
		while (len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(to, from, len);
	to[len] = '\0';
}

void params_fault(struct params *p, const char *error, const char *parameter)
{
	if (p->bad)
		return;
	snprintf(p->fault->error, sizeof(p->fault->error), "org.varlink.service.%s", error);
	copy_utf8(p->fault->parameter, sizeof(p->fault->parameter), parameter);
	p->bad = true;
}

void params_refuse(struct params *p, const char *name)
{
	params_fault(p, "InvalidParameter", name);
}

bool params_end(struct params *p)
{
	const char *rest = json_object_iter_key(json_object_iter(p->object));

	if (rest)
		params_refuse(p, rest);
	return !p->bad;
}

/* A new reference, or NULL when there is none to decode. */
static json_t *take(struct params *p, const char *name, enum presence presence)
{
	json_t *value = p->bad ? NULL : json_incref(json_object_get(p->object, name));

	json_object_del(p->object, name);
	if (value && !json_is_null(value))
		return value;
	json_decref(value);
	if (presence == REQUIRED)
		params_refuse(p, name);
	return NULL;
}

void take_int(struct params *p, const char *name, enum presence presence, int64_t lowest,
	      int64_t highest, int64_t *ret)
{
	json_auto_t *value = take(p, name, presence);
	int64_t number = json_integer_value(value);

	if (!value)
		return;
	if (!json_is_integer(value) || number < lowest || number > highest)
		params_refuse(p, name);
	else
		*ret = number;
}

void take_bool(struct params *p, const char *name, bool *ret)
{
	json_auto_t *value = take(p, name, OPTIONAL);

	if (!value)
		return;
	if (!json_is_boolean(value))
		params_refuse(p, name);
	else
		*ret = json_is_true(value);
}

bool take_text(struct params *p, const char *name, enum presence presence, char *ret, size_t size)
{
	json_auto_t *value = take(p, name, presence);

	if (!value)
		return false;
	if (!json_is_string(value) || json_string_length(value) >= size ||
	    !native_text_plain(json_string_value(value))) {
		params_refuse(p, name);
		return false;
	}
	return str_copy(ret, size, json_string_value(value));
}

void take_word(struct params *p, const char *name, enum presence presence, char *ret, size_t size)
{
	if (take_text(p, name, presence, ret, size) && !ret[0])
		params_refuse(p, name);
}

static void take_list(struct params *p, const char *name, unsigned max, struct cpuset *ret)
{
	json_auto_t *value = take(p, name, OPTIONAL);

	if (!value)
		return;
	if (!json_is_string(value) || cpuset_parse(json_string_value(value), ret) < 0 ||
	    cpuset_empty(ret) || cpuset_next(ret, max) < CPU_MAX)
		params_refuse(p, name);
}

void take_count_or_list(struct params *p, const char *name, unsigned max, uint32_t *ret_count,
			struct cpuset *ret_exact)
{
	int64_t count = 0;

	take_int(p, "count", OPTIONAL, 1, max, &count);
	take_list(p, name, max, ret_exact);
	if (count && !cpuset_empty(ret_exact))
		params_refuse(p, name);
	*ret_count = (uint32_t)count;
}

uint32_t take_numbers(struct params *p, const char *name, uint32_t highest, uint32_t *ret,
		      uint32_t max)
{
	json_auto_t *value = take(p, name, OPTIONAL);
	const json_t *one;
	size_t i;

	if (!value)
		return 0;
	if (!json_is_array(value) || json_array_size(value) > max) {
		params_refuse(p, name);
		return 0;
	}
	json_array_foreach(value, i, one) {
		json_int_t number = json_integer_value(one);

		if (!json_is_integer(one) || number < 0 || number > highest)
			params_refuse(p, name);
		ret[i] = (uint32_t)number;
	}
	return (uint32_t)json_array_size(value);
}

void take_ttl(struct params *p, uint64_t *ret_ns)
{
	int64_t ms = 0;

	take_int(p, "ttl_ms", OPTIONAL, 0, CONF_TIME_LIMIT_MAX_NS / NS_PER_MS, &ms);
	*ret_ns = (uint64_t)ms * NS_PER_MS;
}
