/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/str.h"

#include <errno.h>
#include <string.h>

bool str_copy(char *to, size_t size, const char *from)
{
	size_t len = strlen(from);
	bool fits = len < size;

	if (!size)
		return false;
	if (!fits)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = '\0';
	return fits;
}

bool str_append(char *to, size_t size, const char *from)
{
	size_t used = strnlen(to, size);

	return str_copy(to + used, size - used, from);
}

static bool plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

size_t str_escape(char *to, size_t size, const void *from, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = from;
	size_t used = 0;

	if (!size)
		return 0;
	for (size_t i = 0; i < len && p[i]; i++) {
		size_t need = plain(p[i]) ? 1 : 4;

		if (used + need >= size)
			break;
		if (need == 1) {
			to[used++] = (char)p[i];
			continue;
		}
		to[used++] = '\\';
		to[used++] = 'x';
		to[used++] = hex[p[i] >> 4];
		to[used++] = hex[p[i] & 15];
	}
	to[used] = '\0';
	return used;
}

int str_u64(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (value > (max - digit) / 10 || digit > max)
			return -ERANGE;
		value = value * 10 + digit;
	}
	*ret = value;
	return 0;
}
