/* SPDX-License-Identifier: BSD-3-Clause */
#include "client/want.h"

#include <errno.h>
#include <string.h>

int want_take(const void *want, size_t first, void *ret, size_t known, struct err *e)
{
	const char *bytes = want;
	size_t size;

	memcpy(&size, want, sizeof(size));
	if (size < first)
		return fail(e, EINVAL, "the size of the struct of what is wanted is not set");
	for (size_t i = known; i < size; i++)
		if (bytes[i])
			return fail(e, EINVAL, "the program wants more than this libreeve knows");
	memset(ret, 0, known);
	memcpy(ret, want, size < known ? size : known);
	return 0;
}
