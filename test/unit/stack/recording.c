/* SPDX-License-Identifier: BSD-3-Clause */
#include "recording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FILE_HEADER = 24, RECORD = 16 };

const uint8_t recording_client_mac[6] = { 2, 0x91, 0, 0, 0, 1 },
	      recording_server_mac[6] = { 2, 0x91, 0, 0, 0, 2 };

static void read_one(FILE *file, const uint8_t header[RECORD], struct recorded *ret)
{
	memcpy(&ret->frame.len, header + 8, 4);
	assert_true(ret->frame.len <= sizeof(ret->frame.b));
	assert_int_equal(fread(ret->frame.b, ret->frame.len, 1, file), 1);
	ret->is_machnet = raw_is_machnet(&ret->frame, &ret->p);
	ret->by_client = !memcmp(ret->frame.b + 6, recording_client_mac, 6);
}

void recording_load(struct recording *r, const char *name)
{
	uint8_t header[FILE_HEADER];
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", REPLAY_DIR, name);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fread(header, FILE_HEADER, 1, file), 1);
	for (r->n = 0; fread(header, RECORD, 1, file) == 1; r->n++) {
		assert_true(r->n < RECORDED_MAX);
		read_one(file, header, &r->all[r->n]);
	}
	fclose(file);
}

void recording_mask(struct raw_frame *f)
{
	memset(f->b + 24, 0, 2);
	memset(f->b + 40, 0, 2);
	memset(f->b + 54, 0, 34);
}

const struct recorded *recording_find(const struct recording *r, bool by_client, uint8_t kind,
				      uint32_t seq)
{
	for (uint32_t i = 0; i < r->n; i++) {
		const struct recorded *at = &r->all[i];

		if (at->is_machnet && at->by_client == by_client && at->p.kind == kind &&
		    (kind != DATA || at->p.seq == seq))
			return at;
	}
	return NULL;
}
