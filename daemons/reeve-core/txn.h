/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leases of lcores: decide, reserve, make the kernel agree, commit or undo. And
 * the end of any lease, or of all that an instance has.
 */
#ifndef REEVE_CORE_TXN_H
#define REEVE_CORE_TXN_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger/lcore.h"
#include "ledger/ledger.h"

struct core;
struct conn;
struct txn;

enum { TXN_LEASES_MAX = CPU_MAX };

struct grant {
	int error; /* 0 or a positive errno */
	const char *why;
	const ledger_id *leases;
	uint32_t n;
};

/* Called once, at once or later; not when the connection went first. */
typedef void txn_done(struct conn *c, const struct grant *g);

struct txn_want {
	struct lcore_want lcores;
	uint64_t ttl_ns; /* 0: none */
};

void txn_acquire(struct conn *c, const struct txn_want *want, txn_done *done);
/* One CPU below CPU_MAX by number; `bare`: an id that is no CPU of this host. */
void txn_acquire_one(struct conn *c, unsigned cpu, bool bare, txn_done *done);
/* The errno of the refusal, and its sentence; 0 when it would be granted. */
int txn_check(struct conn *c, const struct txn_want *want, struct lcore_answer *ret);
/* -EPERM: it is another instance's, and the caller no administrator. */
int txn_release(struct conn *c, const struct lease *lease, const char *why);
void txn_expire(struct core *core);
/* With all its leases, here, at reeved and in the kernel. */
void txn_end_instance(struct core *core, ledger_id instance, const char *why);
/* As ledger_reserve(), and -ENOSPC for who holds too much of the table already. */
int txn_reserve(const struct conn *c, const struct lease_want *want, ledger_id *ret);
/* The sentence for what that returned. */
const char *txn_why(int r, uint32_t kind);
/* Boot clock; the tenant's limit caps what is asked for, 0: no time limit. */
uint64_t txn_expiry(const struct conn *c, uint64_t ttl_ns);
/* After any change of leases that may have a time limit. */
void txn_set_timer(struct core *core);
void txn_finish(struct core *core, struct txn *list, int error, const char *why);
void txn_forget(struct conn *c);
/* The link by which enforce.c keeps transactions in lists. */
struct txn **txn_next(struct txn *t);

#endif
