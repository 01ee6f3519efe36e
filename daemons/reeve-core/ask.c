/* SPDX-License-Identifier: BSD-3-Clause */
#include "ask.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fault.h"
#include "core.h"
#include "link.h"

struct ask {
	struct ask *next;
	struct conn *conn;
	ask_done *done;
	uint32_t serial;
	alignas(max_align_t) char ctx[];
};

static struct ask **bucket_of(struct core *core, uint32_t serial)
{
	return &core->asks[serial % ASK_BUCKETS];
}

uint32_t ask_serial(struct core *core)
{
	if (!++core->serial)
		core->serial = 1;
	return core->serial;
}

int ask(struct core *core, struct conn *c, void *msg, ask_done *done, const void *ctx, size_t len)
{
	struct ask *a = FAULT(CORE_ASK) ? NULL : malloc(sizeof(*a) + len);
	struct pp_head head;
	struct ask **bucket;

	if (!a)
		return -ENOMEM;
	memcpy(&head, msg, sizeof(head));
	head.serial = ask_serial(core);
	memcpy(msg, &head, sizeof(head));
	bucket = bucket_of(core, head.serial);
	*a = (struct ask){ .next = *bucket, .conn = c, .done = done, .serial = head.serial };
	if (len)
		memcpy(a->ctx, ctx, len);
	*bucket = a;
	if (c)
		c->busy = true;
	link_send(core, msg);
	FAULT_HERE(CORE_ASKED);
	return 0;
}

static struct ask *take(struct core *core, uint32_t serial)
{
	struct ask **at = bucket_of(core, serial), *a;

	while (*at && (*at)->serial != serial)
		at = &(*at)->next;
	a = *at;
	if (a)
		*at = a->next;
	return a;
}

void ask_answered(struct core *core, const union pp_msg *m, const int *fds, unsigned nfds)
{
	struct ask *a = m->head.serial ? take(core, m->head.serial) : NULL;

	if (a) {
		if (a->conn) {
			a->conn->busy = false;
			journal_at_work(a->conn);
		}
		FAULT_HERE(CORE_ANSWERED);
		a->done(core, a->conn, a->ctx, m, fds);
		if (a->conn)
			conn_go_on(a->conn);
		free(a);
	}
	for (unsigned i = 0; i < nfds; i++)
		close(fds[i]);
}

void ask_forget(struct conn *c)
{
	if (!c->busy)
		return;
	for (unsigned i = 0; i < ASK_BUCKETS; i++)
		for (struct ask *a = c->core->asks[i]; a; a = a->next)
			if (a->conn == c)
				a->conn = NULL;
}

int answer_error(const union pp_msg *m, const char **ret_why)
{
	*ret_why = "";
	switch (m->head.type) {
	case PP_RESULT:
		*ret_why = m->result.why;
		return m->result.error;
	case PP_NIC_FDS:
		*ret_why = m->nic_fds.why;
		return m->nic_fds.error;
	default:
		return 0;
	}
}
