/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

#include "base/str.h"

/* Bytes of the printable character at `p`; 0 when there is none. */
static size_t printable(const char *p, size_t left)
{
	mbstate_t state = { 0 };
	wchar_t wc;
	size_t n = mbrtowc(&wc, p, left, &state);

	return n == 0 || n > left || !iswprint((wint_t)wc) ? 0 : n;
}

void text_printable(const char *from, char to[static TEXT_MAX])
{
	size_t left = strlen(from), used = 0;

	while (left && used + sizeof("\\xNN") + MB_LEN_MAX < TEXT_MAX) {
		size_t n = printable(from, left);

		if (n) {
			memcpy(to + used, from, n);
			used += n;
		} else {
			n = 1;
			used += (size_t)snprintf(to + used, TEXT_MAX - used, "\\x%02x",
						 (unsigned char)*from);
		}
		from += n;
		left -= n;
	}
	to[used] = '\0';
}

void text_print(FILE *f, const char *text)
{
	char safe[TEXT_MAX];

	text_printable(text, safe);
	fputs(safe, f);
}

void text_member(const json_t *object, const char *name, char to[static TEXT_MAX])
{
	const json_t *v = json_object_get(object, name);
	const char *text = json_string_value(v);

	if (json_is_integer(v))
		snprintf(to, TEXT_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else if (json_is_boolean(v))
		str_copy(to, TEXT_MAX, json_is_true(v) ? "yes" : "no");
	else if (text && text[0])
		text_printable(text, to);
	else
		str_copy(to, TEXT_MAX, "-");
}

int64_t text_seconds(const char *time)
{
	struct tm tm = { 0 };
	const char *rest = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);

	return rest && strchr(".Z", *rest) ? (int64_t)timegm(&tm) : -EINVAL;
}

void text_time(const json_t *object, const char *name, char to[static TEXT_MAX])
{
	const char *text = json_string_value(json_object_get(object, name));
	int64_t at = text ? text_seconds(text) : -EINVAL;
	time_t s = (time_t)at;
	struct tm tm;

	if (at < 0 || !localtime_r(&s, &tm)) {
		text_member(object, name, to);
		return;
	}
	strftime(to, TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm);
}

int text_duration(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "ms", 1 },    { "", 1000 },	{ "s", 1000 },
		      { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
	size_t digits = strspn(text, "0123456789");
	char number[16];
	uint64_t n;

	if (digits >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, digits);
	number[digits] = '\0';
	if (str_u64(number, UINT32_MAX, &n) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text + digits, units[i].unit) == 0) {
			*ret_ms = n * units[i].ms;
			return 0;
		}
	}
	return -EINVAL;
}
