/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to reeved that wait for an answer, each with what to do then. The
 * connection that is behind one is busy until it is answered; when it goes away
 * first, `done` is called all the same, without it, to tidy up.
 */
#ifndef REEVE_CORE_ASK_H
#define REEVE_CORE_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "privproto/privproto.h"

struct core;
struct conn;

enum { ASK_BUCKETS = 256 };

/*
 * `c`: NULL when it went away, or nobody's request. `ctx` is a copy of what was
 * given. Descriptors in `fds` are closed after the call.
 */
typedef void ask_done(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		      const int *fds);

/* The next number of a request; never 0, which says that no answer is wanted. */
uint32_t ask_serial(struct core *core);
/* Sends *msg, whose serial is set here. -ENOMEM: nothing was sent and `done` is not called. */
int ask(struct core *core, struct conn *c, void *msg, ask_done *done, const void *ctx, size_t len);
/* PP_RESULT and the like; one that nobody waits for is dropped. */
void ask_answered(struct core *core, const union pp_msg *m, const int *fds, unsigned nfds);
void ask_forget(struct conn *c);

/* An answer's error and sentence, whichever of the types it has. */
int answer_error(const union pp_msg *m, const char **ret_why);

#endif
