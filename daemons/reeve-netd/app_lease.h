/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Channels as leases in reeved's ledger, each in the name of its application: one connection
 * for each application that has a channel, which ends with it, and all its leases with that.
 * The control thread's; calls wait for their answers.
 *
 * When reeved is away, channels go on, and new ones are had within netd's own limits. As
 * soon as it is back all are leased anew; what it refuses then has to end.
 *
 * reeved lets one user alone act for others. A netd of anybody else's, in that one's tenant,
 * has no leases of channels, and its own limits only.
 */
#ifndef REEVE_NETD_APP_LEASE_H
#define REEVE_NETD_APP_LEASE_H

#include "base/err.h"
#include "loop/loop.h"
#include "model/conf.h"

struct app;
struct netd;
struct reeve;

/* Of one application. */
struct app_lease {
	struct netd *netd;
	struct reeve *reeve; /* NULL: there is no connection */
	struct watch watch;
	struct channel_terms terms; /* as they were told with its last channel */
};

/* Of all of them. */
struct app_leases {
	int timer; /* something is to be leased, or given back */
	struct watch watch;
	bool lost; /* reeved may hold what connections had that are no more */
	bool none; /* this is not the host's netd: its channels are nobody's lease */
};

/* With a tenancy that is open. */
int app_leases_open(struct netd *d, struct err *e);
void app_leases_close(struct netd *d);

/*
 * For channel `number` of so many bytes. *ret: its lease; 0: there is no reeved to ask, or
 * none is needed. It refuses: with its sentence, -EDQUOT and the like.
 */
int app_lease_take(struct app *app, uint64_t number, uint64_t bytes, uint64_t *ret, struct err *e);
void app_lease_give(struct app *app, uint64_t lease);
/* The application is gone. */
void app_lease_end(struct app *app);

#endif
