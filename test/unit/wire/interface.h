/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As much of the Varlink interface language as the texts of api/ use: the
 * tests compare with the text what the code does.
 */
#ifndef REEVE_TEST_INTERFACE_H
#define REEVE_TEST_INTERFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { INTERFACE_NAME = 64, INTERFACE_MEMBERS = 24 };

struct interface_member {
	char name[INTERFACE_NAME], type[INTERFACE_NAME];
	bool optional;
};

struct interface_item {
	char name[INTERFACE_NAME];
	struct interface_member members[INTERFACE_MEMBERS]; /* of a method: what it takes */
	size_t nmembers;
};

/*
 * The next `keyword` ("type", "method", "error") at or after *text, which is
 * moved behind it. -1: its members can't be read; 0: there is none.
 */
static inline int interface_next(const char **text, const char *keyword, struct interface_item *ret)
{
	char line[INTERFACE_NAME];
	const char *p;
	int n = 0;

	snprintf(line, sizeof(line), "\n%s ", keyword);
	p = strstr(*text, line);
	if (!p)
		return 0;
	memset(ret, 0, sizeof(*ret));
	p += strlen(line);
	if (sscanf(p, "%63[A-Za-z] (%n", ret->name, &n) != 1 || !n)
		return -1;
	for (p += n; *p != ')'; p += n) {
		struct interface_member *m = &ret->members[ret->nmembers++];
		char mark = ' ';

		n = 0;
		if (ret->nmembers == INTERFACE_MEMBERS ||
		    sscanf(p, " %63[a-z_] :%c%n", m->name, &mark, &n) != 2 || !n)
			return -1;
		p += n;
		m->optional = *p == '?';
		p += m->optional;
		n = 0;
		if (sscanf(p, "%63[][A-Za-z]%n", m->type, &n) != 1)
			return -1;
		n += (int)strspn(p + n, ", \n");
	}
	*text = p;
	return 1;
}

static inline bool interface_find(const char *text, const char *keyword, const char *name,
				  struct interface_item *ret)
{
	char line[2 * INTERFACE_NAME];

	snprintf(line, sizeof(line), "\n%s %s (", keyword, name);
	text = strstr(text, line);
	return text && interface_next(&text, keyword, ret) == 1;
}

#endif
