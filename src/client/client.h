/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The inside of libreeve. Calls and replies match by their order alone, so
 * after a reply that did not come, or was not understood, the connection is
 * `spent`: it goes on holding its leases, and nothing more is sent over it.
 */
#ifndef REEVE_CLIENT_CLIENT_H
#define REEVE_CLIENT_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "client/conn.h"
#include "wire/varlink.h"
#include <reeve/reeve.h>

/* The versions of io.reeve that this library understands. */
enum { CLIENT_API_LOWEST = 1, CLIENT_API_HIGHEST = 1 };

struct reeve {
	struct conn conn;
	int timeout_ms;
	bool spent;
	bool stream; /* more replies to the last call are to come */
	struct err err;
	char error_name[VARLINK_METHOD_MAX];
};

/*
 * Whether a call may be made now; forgets the last failure if so. -ENOTCONN the
 * connection is spent; -EINVAL a stream is open.
 */
int call_check(struct reeve *r);

/* Takes `parameters`, also on failure; NULL means that there was no memory for them. */
int call_start(struct reeve *r, const char *method, json_t *parameters, bool more);

/* *ret is the caller's. Only a stream survives -ETIMEDOUT. */
int call_reply(struct reeve *r, uint64_t deadline, json_t **ret);

/* One call and its reply. */
int call(struct reeve *r, const char *method, json_t *parameters, json_t **ret);

/* The next reply of a stream. -EAGAIN: none came in time; -ENODATA: it has ended. */
int call_next(struct reeve *r, int timeout_ms, json_t **ret);

/* A reply was well-formed but not what the interface says; returns -EPROTO. */
int call_misread(struct reeve *r);

static inline void json_decref_p(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(json_decref_p)

#endif
