/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <string.h>

#include "client/client.h"
#include "client/member.h"

/* Like str_copy, but a text that does not fit ends at a whole UTF-8 character. */
static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = strlen(from);

	if (n >= size) {
		n = size - 1;
		while (n && ((unsigned char)from[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(to, from, n);
	to[n] = '\0';
}

static int read_event(const json_t *reply, struct err *e, struct reeve_event *ret)
{
	struct members outer = { .object = reply, .e = e };
	uint64_t lost = member_u64(&outer, "lost", INT64_MAX);
	struct members m = { .object = member_object(&outer, "event"), .e = e, .bad = outer.bad };
	struct reeve_event ev = { .lost = lost };

	ev.seq = member_u64(&m, "seq", INT64_MAX);
	ev.instance = member_opt_u64(&m, "instance", INT64_MAX);
	ev.lease = member_opt_u64(&m, "lease", INT64_MAX);
	ev.uid = (unsigned)member_u64(&m, "uid", UINT32_MAX);
	ev.pid = (unsigned)member_u64(&m, "pid", UINT32_MAX);
	copy_text(ev.time, sizeof(ev.time), member_text(&m, "time"));
	copy_text(ev.type, sizeof(ev.type), member_text(&m, "type"));
	copy_text(ev.tenant, sizeof(ev.tenant), member_text(&m, "tenant"));
	copy_text(ev.resource, sizeof(ev.resource), member_opt_text(&m, "resource"));
	copy_text(ev.error, sizeof(ev.error), member_opt_text(&m, "error"));
	copy_text(ev.why, sizeof(ev.why), member_text(&m, "why"));
	if (m.bad)
		return -EPROTO;
	*ret = ev;
	return 0;
}

int reeve_events(struct reeve *r, uint64_t since)
{
	/* The interface counts in signed 64 bits; no event is above that. */
	json_int_t after = since > INT64_MAX ? INT64_MAX : (json_int_t)since;

	return call_start(r, "Events", json_pack("{s:I}", "since", after), true);
}

int reeve_next_event(struct reeve *r, int timeout_ms, struct reeve_event *ret)
{
	_cleanup_json_ json_t *reply = NULL;
	int n;

	n = call_next(r, timeout_ms, &reply);
	if (n < 0)
		return n;
	return read_event(reply, &r->err, ret) < 0 ? call_misread(r) : 0;
}
