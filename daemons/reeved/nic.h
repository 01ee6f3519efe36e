/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network interfaces that the core has opened: reeve's program is attached to
 * each, and its maps are filled in here. See privproto/nic.h for what the core
 * may ask.
 *
 *   loader.c     runs reeve-bpf, which does what takes long
 *   nic.c        an interface's life: opened, open, closed
 *   nic_adopt.c  one that a predecessor left
 *   nic_owner.c  who is on it: owners, and their queues
 *   nic_port.c   their ports, and what these counted
 *   nic_xsk.c    their sockets
 *   nic_address.c their IP addresses
 *   nic_flow.c   flow rules, of XDP and of the NIC
 *   nic_claim.c  what a core leaves to the next one
 *   nic_record.c what is to be put back even when we are killed
 *   nic_kernel.c what the kernel says of an interface
 *   nic_ops.c    the core's requests
 *
 * Everything that changes the kernel comes with what undoes it, and is undone
 * when a later step fails. An interface that is gone counts as put back.
 *
 * What is here outlives the core that asked for it: it is unclaimed then, until
 * the next core names it or nics_sweep() drops it.
 *
 * Every tenant's requests pass through this process, so nothing here waits: what
 * the kernel takes longer for than a write to a plain map, reeve-bpf does.
 */
#ifndef REEVED_NIC_H
#define REEVED_NIC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "loop/loop.h"
#include "mech/ntuple.h"
#include "privproto/loader.h"
#include "privproto/privproto.h"

struct reeved;

enum {
	IFACES_MAX = 1024,
	IFACE_OWNERS_MAX = LOADER_SLOTS - 1, /* on all interfaces together */
	IFACE_RULES_MAX = 1024,		     /* of NICs, likewise */
	IFACE_SOCKETS_MAX = 256,	     /* that are being made, likewise */
};

/* --- loader.c ------------------------------------------------------------------ */

struct loader_run;

/*
 * Called once, when there is an answer, or none will come; `fds` (a->nfds of them)
 * are the callee's. The run is over: it may be freed or used again.
 */
typedef void loader_done(struct loader_run *run, const struct loader_answer *a, const int *fds);

struct loader_run {
	struct reeved *d;
	struct loader_run *next; /* waits for its turn */
	struct loader_request request;
	int fds[LOADER_REQUEST_FDS_MAX]; /* that go with it; -1: none */
	loader_done *done;
	bool lost; /* it ended without an answer: what it did is not known */
};

/* So that nothing waits for sockets, which take longest. */
enum loader_lane { LANE_CHANGES, LANE_SOCKETS, LANE_MAX };

struct loaders {
	unsigned running;
	struct loader_run *first, *last; /* the others wait */
};

/*
 * `fds`: as many as such a request comes with; they stay the caller's. `done` may
 * be called before this returns, when nothing could be started.
 */
void loader_start(struct reeved *d, struct loader_run *run, const struct loader_request *request,
		  const int *fds, loader_done *done);

/* --- nic_record.c -------------------------------------------------------------- */

/* Written before the change it speaks of. */
struct nic_record {
	uint32_t ifindex;	/* 0: unused */
	uint32_t channels_were; /* 0: not changed */
	uint32_t ntuple_changed;
	uint32_t form, mode; /* NIC_FORM_NONE: nothing was attached yet */
	uint32_t pad;
	uint64_t netns; /* inode */
	char name[NIC_NAME_MAX];
};

/* Written when it is there, so that its maps are found again; cleared when they are given up. */
struct owner_record {
	uint32_t ifindex; /* 0: unused */
	uint32_t number, slot;
	char tenant[TENANT_NAME_MAX];
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
	struct owner_record owners[IFACE_OWNERS_MAX];
};

/* --- nic.c --------------------------------------------------------------------- */

enum iface_state { IFACE_OPENING, IFACE_OPEN, IFACE_CLOSING };

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
	bool unclaimed;
	bool adopted; /* from a predecessor, and not swept yet */
	/* To be answered when it is open, or opened when it is closed; type 0: neither. */
	struct pp_nic_open again;
	struct loader_run run;
	struct nic_record *record;
	uint32_t channels_owed; /* to an earlier life whose end failed; 0: nothing */
	struct owner *owners;
	struct owner *queues[NIC_QUEUES_MAX]; /* whose they are; NULL: the kernel's */
	bool queues_unclaimed[NIC_QUEUES_MAX];
	/* Single form. */
	uint64_t slots[LOADER_SLOTS / 64 + 1]; /* a bit for each that is in use */
	uint32_t nflows;		       /* of XDP */
	uint32_t naddresses;
	uint32_t ngroups; /* multicast groups for addresses ... */
	int groups;	  /* ... that this socket keeps; -1: none */
	/* Dispatcher form. */
	char tenant[TENANT_NAME_MAX]; /* everybody's here; "": nobody was yet */
	uint16_t *port_users;	      /* NIC_PORTS of them: owners of each port */
};

struct socket_run;

struct nics {
	struct iface *first;
	uint32_t count, owners, nsockets;
	struct socket_run *sockets; /* that are being made */
	struct nic_table *table;
	bool rules_unclaimed[IFACE_RULES_MAX]; /* by their place in the table */
	struct ethtool_port *ethtool; /* NULL: there is none, nor are there rules of NICs */
	uint64_t netns;
	struct loaders lanes[LANE_MAX];
};

/* Also goes on with what a predecessor left, or begins to undo it: d->adopting. */
int nics_open(struct reeved *d, struct err *e);
bool nics_idle(const struct nics *n); /* nothing is open, and nothing is being closed */
/* At our own end: all is put back, and nobody waits for answers any more. */
void nics_close_all(struct reeved *d);

/* In the log, now and then. */
void nics_complain(const char *what, const char *name, const char *reason);

struct iface *iface_find(const struct nics *n, uint32_t ifindex);
/* Answers by itself, now or later. */
void iface_open(struct reeved *d, const struct pp_nic_open *m);
void iface_close(struct reeved *d, struct iface *f);

/* --- nic_claim.c --------------------------------------------------------------- */

/*
 * The core is gone: nobody waits for answers any more, and all there is is
 * unclaimed. For the kernel nothing changes, but that sockets which are being made
 * are for nobody. What is being opened, made or closed goes on being so.
 */
void nics_unclaim(struct reeved *d);
/* The next core has named all that it holds: what is unclaimed still is dropped. */
void nics_sweep(struct reeved *d);

/* --- nic_adopt.c --------------------------------------------------------------- */

/* A new one with its record: all that is there, unclaimed; or it is closed, and that is said. */
void iface_adopt(struct reeved *d, struct iface *f);
/* When all is claimed: what was nobody's, and could not be told from others' before. */
void iface_sweep_adopted(struct iface *f);

/* --- nic_record.c -------------------------------------------------------------- */

int records_open(struct reeved *d, struct err *e);
/* Of an earlier life of the same interface, or a new one; NULL: too many. */
struct nic_record *record_make(struct nics *n, uint32_t ifindex, const char *name);
void record_drop(struct nic_record *r);
/* As many as owners may be. */
struct owner_record *owner_record_make(struct nics *n, uint32_t ifindex, uint32_t number,
				       uint32_t slot, const char *tenant);
void owner_record_drop(struct owner_record *r);
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
struct whole_address;
struct port_set;

enum owner_state {
	OWNER_MAKING, /* its maps are on their way */
	OWNER_HERE,
	OWNER_DROPPED, /* it ended before they came, and goes when they come */
};

struct owner {
	struct owner *next;
	struct iface *iface; /* NULL: closed before its maps came */
	enum owner_state state;
	bool unclaimed;
	uint32_t number;
	struct owner_record *record; /* NULL: it is not there yet */
	/* By name: a new config may give its number to another one. */
	char tenant[TENANT_NAME_MAX];
	struct port_set *ports; /* NULL: none was yet */
	/* Single form. */
	uint32_t slot;
	int xskmap, table;
	uint32_t serial; /* of the PP_NIC_OWNER to be answered; 0: nobody waits */
	struct loader_run run;
	struct soft_flow *flows;
	struct whole_address *addresses;
	uint32_t nflows, naddresses;
};

/* One that a predecessor had; false: its maps are not there any more. */
bool owner_adopt(struct nics *n, struct iface *f, struct owner_record *r);
/* Also one that is being made. */
struct owner *owner_find(const struct iface *f, uint32_t number);
/* Whether it is there, and unclaimed. */
bool owner_is_left(const struct iface *f, uint32_t number);
bool queue_is_left(const struct iface *f, const struct owner *o, uint32_t queue);
/* 0: answers by itself, now or later. */
int owner_begin(struct reeved *d, struct iface *f, const struct pp_nic_owner *m, struct err *e);
void owner_end(struct reeved *d, struct owner *o);
/* All of them; nobody's maps are for this interface any more. */
void owners_end(struct reeved *d, struct iface *f);
/* Who asked for them is gone. */
void owners_unask(struct iface *f);
/* Who asked for them, and for all that they have, is gone. */
void owners_unclaim(struct iface *f);
/* Those that are unclaimed, and what is so of the others. */
void owners_sweep(struct reeved *d, struct iface *f);
int owner_take_queue(struct iface *f, struct owner *o, uint32_t queue, struct err *e);
/* After a change of whether it has addresses: what stands for it on its queues. */
int owner_mark_queues(const struct iface *f, const struct owner *o);
void owner_drop_queue(struct nics *n, struct iface *f, uint32_t queue);
/* The map where the owner's sockets are. */
int owner_xskmap(const struct iface *f, const struct owner *o);

/* --- nic_port.c ---------------------------------------------------------------- */

int owner_add_port(struct iface *f, struct owner *o, uint16_t port, struct err *e);
void owner_drop_port(struct iface *f, struct owner *o, uint16_t port);
bool owner_has_port(const struct owner *o, uint16_t port);
/* Single form: the port's element again; `fresh`: without what it counted. */
int owner_write_port(const struct owner *o, uint16_t port, bool fresh);
void owner_count(const struct iface *f, const struct owner *o, const struct pp_nic_count *m,
		 struct pp_nic_counts *ret);
/* Single form: those that are on in its table. */
void ports_adopt(struct iface *f, struct owner *o);
/* Dispatcher form: keys of the filter that no owner has. */
void ports_sweep_shared(struct iface *f);
/* At the owner's end. */
void ports_end(struct iface *f, struct owner *o);
void ports_unclaim(struct owner *o);
void ports_sweep(struct iface *f, struct owner *o);

/* --- nic_xsk.c ----------------------------------------------------------------- */

/* 0: answers by itself, later. */
int xsk_begin(struct reeved *d, const struct owner *o, const struct pp_nic_xsk *m, struct err *e);
void xsks_unask(struct nics *n);

/* --- nic_address.c ------------------------------------------------------------- */

struct reeve_address;
/* One that is in the map; false: out of memory. */
bool address_adopt(struct iface *f, struct owner *o, const struct reeve_address *key);
bool owner_has_address(struct owner *o, const struct ipaddr *ip);
/* Whether it is there, and unclaimed. */
bool address_is_left(struct owner *o, const struct ipaddr *ip);
int address_add(struct iface *f, struct owner *o, const struct ipaddr *ip, struct err *e);
int address_remove(struct iface *f, struct owner *o, const struct ipaddr *ip, struct err *e);
/* At the owner's end, when it has no queues any more. */
void addresses_end(struct iface *f, struct owner *o);
void addresses_unclaim(struct owner *o);
void addresses_sweep(struct iface *f, struct owner *o);

/* --- nic_flow.c ---------------------------------------------------------------- */

/* One that is in the map; false: out of memory. */
struct reeve_flow_key;
bool flow_adopt(struct iface *f, struct owner *o, const struct reeve_flow_key *key, uint32_t place);
/* Whether it is there, and unclaimed. */
bool flow_is_left(struct nics *n, const struct iface *f, const struct owner *o,
		  const struct pp_nic_flow *m);
/* *ret: where it is. */
int flow_add(struct nics *n, struct iface *f, struct owner *o, const struct pp_nic_flow *m,
	     uint32_t *ret, struct err *e);
int flow_remove(struct nics *n, struct iface *f, struct owner *o, const struct pp_nic_flow *m,
		struct err *e);
/* The soft ones. */
void flows_end(struct iface *f, struct owner *o);
void flows_unclaim(struct owner *o);
void flows_sweep(struct iface *f, struct owner *o);
/* The NIC's rules that lead to a queue which is not the owner's any more. */
void rules_leave_queue(struct nics *n, const struct iface *f, uint32_t queue);
bool flows_on_port(const struct owner *o, uint16_t port);
/*
 * The NIC as it was: without our rules, and the feature switched off again if it
 * was. `name` NULL: it is gone, what was there is forgotten.
 */
void rules_end(struct nics *n, struct nic_record *rec, const char *name);
void rules_unclaim(struct nics *n);
void rules_sweep(struct nics *n);

/* --- nic_ops.c ----------------------------------------------------------------- */

void nic_ops_handle(struct reeved *d, const union pp_msg *m);
/* PP_RESULT, where somebody waits for it. */
void nic_answer(struct reeved *d, uint32_t serial, int error, uint32_t value, const struct err *e);
/* PP_NIC_FDS. */
void nic_answer_fds(struct reeved *d, uint32_t serial, const int *fds, unsigned nfds,
		    uint32_t value);
void nic_refuse_fds(struct reeved *d, uint32_t serial, int error, const struct err *e);

#endif
