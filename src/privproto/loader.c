/* SPDX-License-Identifier: BSD-3-Clause */
#include "privproto/loader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "privproto/nic.h"

int loader_pin_path(uint32_t ifindex, char ret[static LOADER_PATH_MAX])
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	snprintf(ret, LOADER_PATH_MAX, LOADER_PINS "/%ju/%u", (uintmax_t)st.st_ino, ifindex);
	return 0;
}

const char *loader_map_pin(enum nic_form form, unsigned n)
{
	static const char *const single[] = {
		[LOADER_FD_TABLES] = "map_tables",	 [LOADER_FD_XSKMAPS] = "map_xskmaps",
		[LOADER_FD_OWNERS] = "map_owners",	 [LOADER_FD_FLOWS] = "map_flows",
		[LOADER_FD_ADDRESSES] = "map_addresses",
	};
	static const char *const dispatcher[] = {
		[LOADER_FD_FILTER] = "map_filter",
		[LOADER_FD_XSKMAP] = "map_xsks",
	};

	if (form == NIC_FORM_SINGLE)
		return n < ARRAY_SIZE(single) ? single[n] : NULL;
	return n < ARRAY_SIZE(dispatcher) ? dispatcher[n] : NULL;
}

static bool ifindex_sound(uint32_t ifindex)
{
	return ifindex && ifindex <= INT32_MAX;
}

static bool attach_sound(const struct loader_request *q)
{
	return ifindex_sound(q->ifindex) && q->form > NIC_WANT_AUTO && q->form < NIC_WANT_MAX &&
	       q->mode < NIC_WANT_MODE_MAX && q->channels <= NIC_QUEUES_MAX;
}

static bool detach_sound(const struct loader_request *q)
{
	return ifindex_sound(q->ifindex) && q->channels <= NIC_QUEUES_MAX;
}

static bool owner_sound(const struct loader_request *q)
{
	return q->slot && q->slot < LOADER_SLOTS && q->owner && q->owner <= PP_OWNERS_MAX;
}

/* Of the sizes only how many bytes they may make: mech/xsk.h has the last word on them. */
static bool xsk_sound(const struct loader_request *q)
{
	const struct loader_xsk *x = &q->xsk;

	return ifindex_sound(q->ifindex) && x->queue < NIC_QUEUES_MAX &&
	       memchr(x->name, '\0', sizeof(x->name)) && nic_name_sound(x->name) &&
	       x->frames <= PP_XSK_FRAMES_MAX && x->frame_size <= LOADER_FRAME_SIZE_MAX &&
	       x->rx <= PP_XSK_RING_MAX && x->tx <= PP_XSK_RING_MAX && x->fill <= PP_XSK_RING_MAX &&
	       x->comp <= PP_XSK_RING_MAX;
}

static bool request_sound(const struct loader_request *q)
{
	switch (q->op) {
	case LOADER_ATTACH:
		return attach_sound(q);
	case LOADER_DETACH:
		return detach_sound(q);
	case LOADER_PROBE:
		return true;
	case LOADER_OWNER:
		return owner_sound(q);
	case LOADER_XSK:
		return xsk_sound(q);
	default:
		return false;
	}
}

unsigned loader_request_fds(uint32_t op)
{
	return op == LOADER_OWNER ? LOADER_FD_XSKMAPS + 1 : 0;
}

int loader_check_request(const void *msg, size_t len, unsigned nfds)
{
	struct loader_request q;

	if (len != sizeof(q))
		return -EBADMSG;
	memcpy(&q, msg, sizeof(q));
	if (q.magic != LOADER_MAGIC || q.version != LOADER_VERSION)
		return -EBADMSG;
	return request_sound(&q) && nfds == loader_request_fds(q.op) ? 0 : -EBADMSG;
}

/* What was attached has a form; nothing else has. */
static unsigned fds_of(const struct loader_answer *a)
{
	if (a->error)
		return 0;
	switch (a->op) {
	case LOADER_ATTACH:
		return a->form == NIC_FORM_SINGLE ? LOADER_FD_SINGLE_MAX : LOADER_FD_XSKMAP + 1;
	case LOADER_OWNER:
		return LOADER_FD_OWN_XSKMAP + 1;
	case LOADER_XSK:
		return LOADER_FD_MEMORY + 1;
	default:
		return 0;
	}
}

static bool answer_sound(const struct loader_answer *a)
{
	bool attached = a->op == LOADER_ATTACH && !a->error;

	if (!a->op || a->op >= LOADER_OP_MAX)
		return false;
	if (a->error < 0 || a->form >= NIC_FORM_MAX || a->mode >= NIC_MODE_MAX)
		return false;
	if (!memchr(a->why, '\0', sizeof(a->why)))
		return false;
	if (a->error && !a->why[0])
		return false;
	if ((a->form != NIC_FORM_NONE) != attached || (a->mode != NIC_MODE_NONE) != attached)
		return false;
	return a->nfds == fds_of(a) && a->channels_were <= NIC_QUEUES_MAX &&
	       (a->op != LOADER_XSK || a->value <= 1);
}

int loader_check_answer(const void *msg, size_t len, unsigned nfds)
{
	struct loader_answer a;

	if (len != sizeof(a))
		return -EBADMSG;
	memcpy(&a, msg, sizeof(a));
	if (a.magic != LOADER_MAGIC || a.version != LOADER_VERSION || a.nfds != nfds)
		return -EBADMSG;
	return answer_sound(&a) ? 0 : -EBADMSG;
}
