/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network interfaces that the core has opened: reeve's program is attached to
 * each, and its maps are filled in here. See privproto/nic.h for what the core
 * may ask.
 *
 *   loader.c     runs reeve-bpf, which attaches and detaches
 *   nic.c        an interface's life: opened, open, closed
 *   nic_owner.c  who is on it: owners, their queues, ports and sockets
 *   nic_flow.c   flow rules, of XDP and of the NIC
 *   nic_record.c what is to be put back even when we are killed
 *   nic_kernel.c what the kernel says of an interface
 *   nic_ops.c    the core's requests
 *
 * Everything that changes the kernel comes with what undoes it, and is undone
 * when a later step fails. An interface that is gone counts as put back.
 */
#ifndef REEVED_NIC_H
#define REEVED_NIC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "loop/loop.h"
#include "mech/ntuple.h"
#include "mech/xsk.h"
#include "privproto/loader.h"
#include "privproto/privproto.h"

struct reeved;

enum {
	IFACES_MAX = 1024,
	IFACE_OWNERS_MAX = 4096, /* on all interfaces together */
	IFACE_RULES_MAX = 1024,	 /* of NICs, likewise */
};

/* --- loader.c ------------------------------------------------------------------ */

struct loader_run;

/*
 * Called once, when the process has ended; `fds` (a->nfds of them) are the
 * callee's. The run is over: it may be freed or used again.
 */
typedef void loader_done(struct loader_run *run, const struct loader_answer *a, const int *fds);

struct loader_run {
	struct reeved *d;
	struct loader_run *next; /* waits for its turn */
	struct loader_request request;
	loader_done *done;
	pid_t pid;
	int pidfd, sock, timer;
	struct watch exit_watch, timer_watch;
	bool late; /* it was killed */
	bool lost; /* it ended without an answer: what it did is not known */
};

struct loaders {
	unsigned running;
	struct loader_run *first, *last; /* the others wait */
};

/* `done` may be called before this returns, when nothing could be started. */
void loader_start(struct reeved *d, struct loader_run *run, const struct loader_request *request,
		  loader_done *done);

/* --- nic_record.c -------------------------------------------------------------- */

/* Written before the change it speaks of. */
struct nic_record {
	uint32_t ifindex;	/* 0: unused */
	uint32_t channels_were; /* 0: not changed */
	uint32_t ntuple_changed;
	uint32_t pad;
	uint64_t netns; /* inode */
	char name[NIC_NAME_MAX];
};

/* Written right after the change: only then it is known where the rule is. */
struct rule_record {
	uint32_t ifindex; /* 0: unused */
	uint32_t owner, queue;
	uint32_t location;
};

struct nic_table {
	struct nic_record nics[IFACES_MAX];
	struct rule_record rules[IFACE_RULES_MAX];
};

/* --- nic.c --------------------------------------------------------------------- */

enum iface_state { IFACE_OPENING, IFACE_OPEN, IFACE_CLOSING };

#define NO_TENANT UINT32_MAX

struct owner;

struct iface {
	struct iface *next;
	uint32_t ifindex;
	enum iface_state state;
	enum nic_form form; /* IFACE_OPEN: the maps below are of this form */
	enum nic_mode mode;
	int maps[LOADER_FDS_MAX]; /* -1: none */
	uint32_t serial;	  /* of the PP_NIC_OPEN to be answered; 0: nobody waits */
	bool close_wanted;	  /* as soon as it is open */
	struct pp_nic_open again; /* to be opened when it is closed; type 0: not */
	struct loader_run run;
	struct nic_record *record;
	uint32_t channels_owed; /* to an earlier life whose end failed; 0: nothing */
	struct owner *owners;
	struct owner *queues[NIC_QUEUES_MAX]; /* whose they are; NULL: the kernel's */
	/* Dispatcher form. */
	uint32_t tenant;      /* of everybody here; NO_TENANT: nobody was yet */
	uint16_t *port_users; /* NIC_PORTS of them: owners of each port */
};

struct nics {
	struct iface *first;
	uint32_t count, owners;
	struct nic_table *table;
	struct ethtool_port *ethtool; /* NULL: there is none, nor are there rules of NICs */
	uint64_t netns;
	struct loaders loaders;
};

/* Also begins to undo what a predecessor left. */
int nics_open(struct reeved *d, struct err *e);
bool nics_idle(const struct nics *n); /* nothing is open, and nothing is being closed */
/* The core is gone: nobody waits for answers any more. */
void nics_close_all(struct reeved *d);

/* In the log, now and then. */
void nics_complain(const char *what, const char *name, const char *reason);

struct iface *iface_find(const struct nics *n, uint32_t ifindex);
/* Answers by itself, now or later. */
void iface_open(struct reeved *d, const struct pp_nic_open *m);
void iface_close(struct reeved *d, struct iface *f);

/* --- nic_record.c -------------------------------------------------------------- */

int records_open(struct reeved *d, struct err *e);
/* Of an earlier life of the same interface, or a new one; NULL: too many. */
struct nic_record *record_make(struct nics *n, uint32_t ifindex, const char *name);
void record_drop(struct nic_record *r);
/* NULL: too many. */
struct rule_record *rule_free(struct nics *n);
void rule_write(struct rule_record *r, const struct rule_record *rule);

/* --- nic_kernel.c -------------------------------------------------------------- */

/* As the kernel calls it now. -ENODEV: it is gone. */
int iface_name(uint32_t ifindex, char ret[static NIC_NAME_MAX], struct err *e);
/* -EINVAL: no program can be of use there. */
int iface_check(const char *name, struct err *e);
/* How many it has, in terms of LOADER_ATTACH; 0: none that can be set. */
uint32_t iface_channels(struct ethtool_port *port, const char *name);

/* --- nic_owner.c --------------------------------------------------------------- */

struct soft_flow;

struct owner {
	struct owner *next;
	uint32_t number;
	int xskmap, table; /* single form; the table from the first queue or port on */
	uint8_t *ports;	   /* a bit for each that is on; NULL: none was yet */
	struct soft_flow *flows;
};

struct owner *owner_find(const struct iface *f, uint32_t number);
int owner_begin(struct nics *n, struct iface *f, const struct pp_nic_owner *m, struct err *e);
void owner_end(struct nics *n, struct iface *f, struct owner *o);
int owner_take_queue(struct iface *f, struct owner *o, uint32_t queue, struct err *e);
void owner_drop_queue(struct nics *n, struct iface *f, uint32_t queue);
int owner_add_port(struct iface *f, struct owner *o, uint16_t port, struct err *e);
void owner_drop_port(struct iface *f, struct owner *o, uint16_t port);
bool owner_has_port(const struct owner *o, uint16_t port);
/* Single form: the port's element again; `fresh`: without what it counted. */
int owner_write_port(const struct owner *o, uint16_t port, bool fresh);
void owner_count(const struct iface *f, const struct owner *o, const struct pp_nic_count *m,
		 struct pp_nic_counts *ret);
/* The map where the owner's sockets are. */
int owner_xskmap(const struct iface *f, const struct owner *o);
/* A socket, in its map already. */
int owner_make_xsk(const struct iface *f, const struct owner *o, const struct pp_nic_xsk *m,
		   struct xsk *ret, struct err *e);
void xsk_close(struct xsk *x);

/* --- nic_flow.c ---------------------------------------------------------------- */

/* *ret: where it is. */
int flow_add(struct nics *n, struct iface *f, struct owner *o, const struct pp_nic_flow *m,
	     uint32_t *ret, struct err *e);
int flow_remove(struct nics *n, struct iface *f, struct owner *o, const struct pp_nic_flow *m,
		struct err *e);
/* The soft ones. */
void flows_end(struct iface *f, struct owner *o);
/* The NIC's rules that lead to a queue which is not the owner's any more. */
void rules_leave_queue(struct nics *n, const struct iface *f, uint32_t queue);
bool flows_on_port(const struct owner *o, uint16_t port);
/*
 * The NIC as it was: without our rules, and the feature switched off again if it
 * was. `name` NULL: it is gone, what was there is forgotten.
 */
void rules_end(struct nics *n, struct nic_record *rec, const char *name);

/* --- nic_ops.c ----------------------------------------------------------------- */

void nic_ops_handle(struct reeved *d, const union pp_msg *m);

#endif
