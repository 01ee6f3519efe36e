/* SPDX-License-Identifier: BSD-3-Clause */
/* One decision, as it is recorded, streamed and logged. */
#ifndef REEVE_MODEL_EVENT_H
#define REEVE_MODEL_EVENT_H

#include <stdint.h>

#include "model/res.h"

enum event_type {
	EVENT_START,	      /* the daemon came up */
	EVENT_RELOAD,	      /* a new config is in force */
	EVENT_INSTANCE_START, /* a client registered or asked for its first lease */
	EVENT_INSTANCE_END,
	EVENT_ORPHAN, /* its connection is gone for good; it lives and keeps what it holds */
	EVENT_GRANT,
	EVENT_REFUSE,
	EVENT_RELEASE, /* given back */
	EVENT_EXPIRE,  /* its time limit was reached */
	EVENT_ENFORCE, /* a tenant's cgroup was changed, or could not be */
	EVENT_TYPE_MAX,
};

enum { EVENT_WHY_MAX = 120 };

/* seq starts at 1 and never repeats or goes back while the ledger's memory lives. */
struct event {
	uint64_t seq;
	uint64_t wall_ns;
	uint32_t type;
	uint32_t tenant;       /* slot in the ledger */
	uint64_t instance;     /* 0: none */
	uint64_t lease;	       /* 0: none */
	struct res res;	       /* kind RES_KIND_MAX: none */
	struct ipaddr address; /* that `res` is about; zeros: none, or not known */
	uint32_t uid, pid;
	int32_t error; /* positive errno of a refusal, else 0 */
	uint32_t pad;
	char why[EVENT_WHY_MAX];
};

_Static_assert(sizeof(struct event) == 88 + EVENT_WHY_MAX, "struct event stands in ledger memory");

const char *event_type_name(uint32_t type); /* "grant", ...; NULL */

/*
 * The stable name of a refusal on every front: "quota" EDQUOT, "taken" EBUSY,
 * "not-enough" ENOSPC, "no-such" ENOENT, "not-yours" EPERM, "denied" EACCES,
 * "unregistered" ENOTCONN, "unsupported" EOPNOTSUPP, "bad-request" EINVAL and
 * EBADMSG, "failed" for the rest; NULL for 0.
 */
const char *event_error_name(int error);

#endif
