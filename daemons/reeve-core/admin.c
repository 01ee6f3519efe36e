/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The methods of io.reeve about the daemon itself. What follows ends this core, so
 * the answer is the next one's: the call stays in its connection's record, and whoever
 * takes over finds that it has been done.
 */
#include <errno.h>

#include "call.h"
#include "conn.h"
#include "core.h"

static void refused(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		    const int *fds)
{
	const char *why;
	int error = answer_error(m, &why);

	(void)core;
	(void)ctx;
	(void)fds;
	if (!c)
		return;
	if (error)
		call_fail(c, error == EPERM ? "Denied" : "Busy", why);
	else
		call_reply(c, json_object());
}

static void ask_admin(struct conn *c, enum pp_admin_op op)
{
	struct pp_admin m = { .head.type = PP_ADMIN, .op = op };

	if (!c->admin)
		call_refuse(c, EACCES, "only root and the admin group may do that");
	else if (ask(c->core, c, &m, refused, NULL, 0) < 0)
		call_fail(c, "Busy", "out of memory");
}

void on_upgrade(struct conn *c, const struct native_request *q)
{
	(void)q;
	if (c->admin && c->core->upgraded)
		call_reply(c, json_pack("{s:s}", "version", REEVE_VERSION));
	else
		ask_admin(c, PP_ADMIN_UPGRADE);
}

void on_stop(struct conn *c, const struct native_request *q)
{
	ask_admin(c, q->keep ? PP_ADMIN_STOP_KEEP : PP_ADMIN_STOP);
}
