/* SPDX-License-Identifier: BSD-3-Clause */
/* Both texts of /proc that say who a peer is; byte 0 picks the room for a path. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mech/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[256] = "", *text;
	uint64_t ticks;
	size_t room;

	if (!size)
		return 0;
	room = data[0] + (size_t)1;
	text = malloc(size);
	assert(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	peer_parse_stat(text, &ticks);
	if (peer_parse_cgroup(text, path, room) == 0)
		assert(path[0] == '/' && strlen(path) < room && !strchr(path, '\n'));
	free(text);
	return 0;
}
