/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process may call its threads, and the kernel's text about them. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mech/lcore_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Only a name that ends in the id, as DPDK writes it, tells an id. */
static void check_comm(const char *text, size_t len)
{
	uint16_t id;
	char end[8];
	size_t n;

	if (lcore_parse_comm(text, len, &id) < 0)
		return;
	if (text[len - 1] == '\n')
		len--;
	n = (size_t)snprintf(end, sizeof(end), "%u", id);
	assert(len > n && memcmp(text + len - n, end, n) == 0);
}

/* A list that was understood is the same list when it is written and read again. */
static void check_allowed(const char *status)
{
	char text[32 + 5 * CPU_MAX] = "Cpus_allowed_list:\t";
	size_t key = strlen(text);
	struct cpuset set, again;

	if (lcore_parse_allowed(status, &set) < 0)
		return;
	cpuset_format(&set, text + key, sizeof(text) - key);
	assert(lcore_parse_allowed(text, &again) == 0);
	assert(cpuset_equal(&set, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	check_comm((const char *)data, size);
	check_allowed(text);
	free(text);
	return 0;
}
