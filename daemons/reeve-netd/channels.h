/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The applications that are registered, and their channels: the control thread's. A channel
 * is served by one engine of any interface, the one with the fewest. One without an
 * engine, since its interface is gone, waits for the next.
 *
 * Under reeved each channel is a lease of its application's, see app_lease.h.
 *
 * When an application's connection ends, its channels go: what they have sent is sent
 * first, for half a second at most.
 */
#ifndef REEVE_NETD_CHANNELS_H
#define REEVE_NETD_CHANNELS_H

#include <sys/types.h>

#include "app_lease.h"
#include "base/err.h"
#include "base/rate.h"
#include "chan_limits.h"
#include "endpoint.h"
#include "loop/loop.h"
#include "model/peer.h"
#include "stock.h"
#include "wire/chan_msg.h"

struct engine;
struct iface;
struct netd;

struct app_who {
	uint8_t id[CHAN_UUID];
	char name[CHAN_NAME_MAX + 1]; /* its own choice: any bytes */
	uid_t uid;
	pid_t pid;		      /* of who connected */
	char tenant[TENANT_NAME_MAX]; /* as reeved says; "": it has not been asked */
};

struct app {
	struct app_who who;
	struct peer peer; /* alone: no more than uid and pid */
	struct app_lease lease;
	struct app *next;
};

struct chan {
	uint8_t id[CHAN_UUID];
	struct app_who app; /* as it was */
	struct app *of;	    /* NULL: it has gone */
	struct endpoint *ep;
	struct engine *engine; /* NULL: none */
	uint64_t bytes;
	uint64_t number; /* later ones have greater ones */
	uint64_t lease;	 /* 0: none, yet or at all */
	/* Whoever has the connection that is its bell hears of its end. */
	void (*ended)(void *owner);
	void *owner;
	struct chan *next;
};

struct channels {
	struct chan_limits limits;
	struct app_leases leases;
	struct app *apps;
	struct chan *list;
	struct stock stock;
	uint64_t seed, numbers;
	struct watch watch;
	int event; /* an engine has a channel that is to go */
	struct rate breaks;
};

int channels_open(struct netd *d, struct err *e);
/* From now on memory is made ahead: by a thread, which has the rights that are left now. */
void channels_stock(struct netd *d);
void channels_close(struct netd *d);

/* -EEXIST: the id is taken; -ENOMEM. */
int channels_register(struct netd *d, const struct chan_request *q, const struct peer *peer,
		      struct app **ret);
void channels_unregister(struct netd *d, struct app *app);
/* That the request names, if it is of that uid; else NULL. */
struct app *channels_app(struct netd *d, const struct chan_request *q, uid_t uid);

struct chan_bell {
	uid_t uid; /* of who asks */
	int fd;	   /* -1: none */
	void (*ended)(void *owner);
	void *owner;
};

/*
 * *ret_fd: its memory. -ENOENT: no such application of that uid; -EEXIST; -EDQUOT: it has
 * its share; -EINVAL, -ENOMEM and the like. With the sentence.
 */
int channels_add(struct netd *d, const struct chan_request *q, const struct chan_bell *bell,
		 struct chan **ret, int *ret_fd, struct err *e);
/* What its application was told by reeved last holds for it from now on. */
void channels_apply_terms(struct chan *c);
/* Its application is done with it; nobody is told. */
void channels_end(struct netd *d, struct chan *c);
/* At once. */
void channels_drop(struct netd *d, struct chan *c);

/* Its engines run: channels without one get them. Its engines are about to stop. */
void channels_iface_up(struct netd *d);
void channels_iface_down(struct netd *d, struct iface *f);

#endif
