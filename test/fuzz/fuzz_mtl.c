/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The input is a count, so many fragment lengths, and a stream. However the
 * stream is cut, the same frames must come out of it, as long as no later read
 * happens to begin like a request.
 */
#include <stdlib.h>
#include <string.h>

#include "wire/mtl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES_MAX = 64, STREAM_MAX = FRAMES_MAX * MTL_FRAME };

struct reader {
	struct mtl_framer framer;
	uint8_t frames[FRAMES_MAX][MTL_FRAME];
	size_t nframes, skipped;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_frame(const uint8_t frame[static MTL_FRAME])
{
	uint8_t reply[MTL_FRAME];
	struct mtl_request q;

	require(memcmp(frame, "IMTL", 4) == 0);
	mtl_decode(frame, &q);
	require(mtl_type_name(q.type) != NULL);
	if (q.type == MTL_REGISTER)
		require(memchr(q.reg.hostname, '\0', sizeof(q.reg.hostname)) != NULL);
	if (mtl_reply_kind(q.type) == MTL_REPLY_NONE || mtl_reply_kind(q.type) == MTL_REPLY_FD)
		return;
	mtl_encode(reply, mtl_reply_kind(q.type), (int32_t)q.type);
	mtl_decode(reply, &q);
	require(mtl_reply_kind(q.type) == MTL_REPLY_NONE); /* a reply is never answered */
}

static void reader_read(struct reader *r, const uint8_t *data, size_t len)
{
	uint8_t frame[MTL_FRAME];
	bool fresh = true;

	while (mtl_frame_next(&r->framer, &data, &len, fresh, frame, &r->skipped)) {
		fresh = false;
		check_frame(frame);
		require(r->nframes < FRAMES_MAX);
		memcpy(r->frames[r->nframes++], frame, MTL_FRAME);
	}
	require(len == 0);
	require(r->framer.nheld < MTL_FRAME);
}

static bool begins_request(const uint8_t *data, size_t len)
{
	return len >= 8 && !memcmp(data, "IMTL\0\0\0", 7) && data[7] >= MTL_REGISTER &&
	       data[7] <= MTL_DEL_FLOW;
}

/* Whether a fragment after the first could be taken for a new beginning. */
static bool read_fragments(struct reader *r, const uint8_t *cuts, size_t ncuts,
			   const uint8_t *stream, size_t len)
{
	bool ambiguous = false;

	for (size_t i = 0; len > 0; i++) {
		size_t n = i < ncuts && cuts[i] < len ? cuts[i] : len;

		ambiguous |= i > 0 && begins_request(stream, n);
		reader_read(r, stream, n);
		stream += n;
		len -= n;
	}
	return ambiguous;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reader whole, parts;
	const uint8_t *cuts;
	size_t ncuts;

	if (size == 0 || size - 1 < data[0] || size > STREAM_MAX)
		return 0;
	ncuts = data[0];
	cuts = data + 1;
	data += 1 + ncuts;
	size -= 1 + ncuts;
	memset(&whole, 0, sizeof(whole));
	memset(&parts, 0, sizeof(parts));

	reader_read(&whole, data, size);
	require(whole.nframes * MTL_FRAME + whole.skipped + whole.framer.nheld == size);
	if (read_fragments(&parts, cuts, ncuts, data, size)) {
		require(parts.nframes * MTL_FRAME + parts.skipped + parts.framer.nheld == size);
		return 0;
	}
	require(parts.nframes == whole.nframes);
	require(memcmp(parts.frames, whole.frames, sizeof(whole.frames)) == 0);
	require(parts.skipped == whole.skipped);
	require(parts.framer.nheld == whole.framer.nheld);
	require(memcmp(parts.framer.held, whole.framer.held, whole.framer.nheld) == 0);
	return 0;
}
