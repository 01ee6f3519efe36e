/* SPDX-License-Identifier: BSD-3-Clause */
#include "privproto/loader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int loader_pin_path(uint32_t ifindex, char ret[static LOADER_PATH_MAX])
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	snprintf(ret, LOADER_PATH_MAX, LOADER_PINS "/%ju/%u", (uintmax_t)st.st_ino, ifindex);
	return 0;
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

static bool request_sound(const struct loader_request *q)
{
	switch (q->op) {
	case LOADER_ATTACH:
		return attach_sound(q);
	case LOADER_DETACH:
		return ifindex_sound(q->ifindex) && q->channels <= NIC_QUEUES_MAX;
	case LOADER_PROBE:
		return true;
	default:
		return false;
	}
}

int loader_check_request(const void *msg, size_t len)
{
	struct loader_request q;

	if (len != sizeof(q))
		return -EBADMSG;
	memcpy(&q, msg, sizeof(q));
	if (q.magic != LOADER_MAGIC || q.version != LOADER_VERSION)
		return -EBADMSG;
	return request_sound(&q) ? 0 : -EBADMSG;
}

/* Which descriptors come depends on the form: a failure and a detachment have neither. */
static unsigned fds_of(uint32_t form)
{
	switch (form) {
	case NIC_FORM_SINGLE:
		return LOADER_FD_FLOWS + 1;
	case NIC_FORM_DISPATCHER:
		return LOADER_FD_XSKMAP + 1;
	default:
		return 0;
	}
}

static bool answer_sound(const struct loader_answer *a)
{
	if (a->error < 0 || a->form >= NIC_FORM_MAX || a->mode >= NIC_MODE_MAX)
		return false;
	if (!memchr(a->why, '\0', sizeof(a->why)))
		return false;
	if (a->error && (a->form != NIC_FORM_NONE || !a->why[0]))
		return false;
	if ((a->form == NIC_FORM_NONE) != (a->mode == NIC_MODE_NONE))
		return false;
	return a->nfds == fds_of(a->form) && a->channels_were <= NIC_QUEUES_MAX;
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
