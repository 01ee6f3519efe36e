/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The private protocol between reeved (root) and reeve-core (sandboxed), over
 * one SOCK_SEQPACKET pair. Fixed structs, one a message, host byte order: both
 * ends are of one build, which the first message proves. A message of another
 * size, type or version ends the other side: the core exits, reeved kills and
 * restarts the core.
 *
 *   reeved -> core                            descriptors
 *     PP_HELLO    version, sizes              journal, /dev/null, two netlink sockets
 *     PP_CONF     a config is in force        sealed memfd with struct conf
 *     PP_RESUME   clients of an earlier core  their sockets
 *     PP_ACCEPT   a client was accepted       socket [, pidfd]
 *     PP_RESULT   answer to PP_CPUSET, PP_PLANE, PP_NIC_*
 *     PP_NIC_FDS, PP_NIC_COUNTS               see privproto/nic.h
 *     PP_STOP     close everything and exit; with a serial: leave everything, and exit
 *   core -> reeved
 *     PP_READY    the config is in force, or why it can't be
 *     PP_SYNCED   all that is still held has been named: drop the rest. PP_RESULT
 *     PP_UNKNOWN  nothing is known of that client: tell who it is, by PP_ACCEPT
 *     PP_ADMIN    an administrator wants another reeved, or none; PP_RESULT: why not
 *     PP_CLOSE    the client is shut down: drop the kept descriptor
 *     PP_CPUSET   put a tenant's cgroup under these CPUs
 *     PP_PLANE    open a plane's socket, or close it again
 *     PP_NIC_*    see privproto/nic.h
 *
 * reeved believes nothing it reads here: conn ids, tenant numbers and CPU sets
 * are checked against what it handed out and against the config.
 */
#ifndef REEVE_PRIVPROTO_PRIVPROTO_H
#define REEVE_PRIVPROTO_PRIVPROTO_H

#include <stddef.h>
#include <stdint.h>

#include "base/fd.h"
#include "model/conf.h"
#include "model/peer.h"
#include "privproto/nic.h"

enum {
	PP_VERSION = 4,
	PP_VERSION_TEXT = 64,
	PP_CLIENTS_MAX = 16384, /* connections at once, whatever the descriptor limit */
	PP_JOURNAL_BYTES =
		120 << 20,	     /* size of the journal, the core checks that it fits; of ... */
	PP_JOURNAL_READY = 28 << 20, /* ... which so many have their pages from the start */
};

enum pp_type {
	PP_HELLO = 1,
	PP_CONF,
	PP_ACCEPT,
	PP_RESULT,
	PP_STOP,
	PP_RESUME,
	PP_READY,
	PP_SYNCED,
	PP_UNKNOWN,
	PP_ADMIN,
	PP_CLOSE,
	PP_CPUSET,
	PP_PLANE,
	PP_NIC_OPEN,
	PP_NIC_CLOSE,
	PP_NIC_OWNER,
	PP_NIC_QUEUE,
	PP_NIC_PORT,
	PP_NIC_PORTS,
	PP_NIC_FLOW,
	PP_NIC_MAP,
	PP_NIC_XSK,
	PP_NIC_FDS,
	PP_NIC_COUNT,
	PP_NIC_COUNTS,
	PP_NIC_ADDRESS,
	PP_TYPE_MAX,
};

/* How the core before this one ended. */
enum pp_end {
	PP_END_NONE,   /* there was none, or it was told to */
	PP_END_KILLED, /* from outside */
	PP_END_FAULT,  /* of itself */
	PP_END_MAX,
};

enum pp_door { PP_DOOR_NATIVE, PP_DOOR_MTL, PP_DOOR_MAX };

struct pp_hello {
	struct pp_head head;
	uint32_t version;
	uint32_t conf_size; /* sizeof(struct conf) */
	uint64_t journal_bytes;
	uint32_t max_clients; /* connections reeved will hand over at most */
	uint32_t pid;	      /* of reeved, for Status */
	uint32_t foreign_fds; /* clients can pass descriptors: look before reading */
	uint32_t last_end;    /* enum pp_end */
	uint32_t nresumed;    /* clients that PP_RESUME will name; then nothing else is to come */
	uint32_t fresh;	      /* reeved is a new one: of other clients nobody kept the sockets.
			       * Until a core of it was ready */
	uint32_t upgraded;    /* it has just taken the place of the one before, as was asked */
	uint32_t pad;
	uint32_t log_format, log_level; /* the command line's; their _MAX: not said there */
	char version_text[PP_VERSION_TEXT];
};

struct pp_conf {
	struct pp_head head;
};

/* A connection is named by slot and use, so that a late message can't hit its successor. */
struct pp_conn {
	uint32_t slot, use;
};

/* As many as descriptors fit into one message. */
struct pp_resume {
	struct pp_head head;
	uint32_t n, pad;
	struct pp_conn conns[FD_PASS_MAX];
};

struct pp_accept {
	struct pp_head head;
	struct pp_conn conn;
	uint32_t door;
	uint32_t has_pidfd;
	struct peer peer;
};

struct pp_close {
	struct pp_head head;
	struct pp_conn conn;
};

struct pp_cpuset {
	struct pp_head head;
	uint32_t tenant;      /* index into the config's tenants */
	uint32_t want;	      /* enum enforce */
	uint32_t conf_serial; /* of the PP_CONF whose tenants are meant */
	uint32_t pad;
	struct cpuset cpus;
};

struct pp_plane {
	struct pp_head head;
	uint32_t plane, on;
};

struct pp_result {
	struct pp_head head;
	int32_t error; /* 0 or a positive errno */
	/*
	 * PP_CPUSET: enum enforce now in force; PP_PLANE: it was open already;
	 * PP_NIC_OPEN: form | mode << 8 | PP_NIC_WAS_THERE; PP_NIC_FLOW: location.
	 * Any number, as far as pp_check() goes.
	 */
	uint32_t value;
	char why[128];
};

struct pp_ready {
	struct pp_head head; /* serial: that of the PP_CONF */
	int32_t error;	     /* positive errno: the config can't be used, the old one stays */
	uint32_t pad;
	char why[128];
};

struct pp_unknown {
	struct pp_head head;
	struct pp_conn conn;
};

enum pp_admin_op {
	PP_ADMIN_UPGRADE,   /* start anew from the program that is installed now */
	PP_ADMIN_STOP,	    /* end, as by SIGTERM */
	PP_ADMIN_STOP_KEEP, /* end, and leave everything as it is for the next start */
	PP_ADMIN_MAX,
};

struct pp_admin {
	struct pp_head head;
	uint32_t op, pad;
};

struct pp_simple { /* PP_STOP, PP_SYNCED */
	struct pp_head head;
};

union pp_msg {
	struct pp_head head;
	struct pp_hello hello;
	struct pp_conf conf;
	struct pp_resume resume;
	struct pp_unknown unknown;
	struct pp_admin admin;
	struct pp_accept accept;
	struct pp_close close;
	struct pp_cpuset cpuset;
	struct pp_plane plane;
	struct pp_result result;
	struct pp_ready ready;
	struct pp_simple simple;
	struct pp_nic_open nic_open;
	struct pp_nic_close nic_close;
	struct pp_nic_owner nic_owner;
	struct pp_nic_queue nic_queue;
	struct pp_nic_port nic_port;
	struct pp_nic_ports nic_ports;
	struct pp_nic_address nic_address;
	struct pp_nic_flow nic_flow;
	struct pp_nic_map nic_map;
	struct pp_nic_xsk nic_xsk;
	struct pp_nic_fds nic_fds;
	struct pp_nic_count nic_count;
	struct pp_nic_counts nic_counts;
};

enum pp_side { PP_REEVED, PP_CORE };

/* The exact size of a message of this type, 0 when there is none. */
size_t pp_size(uint32_t type);

/*
 * Whether `len` bytes are a sound message from this side with this number of
 * descriptors. Every string is NUL-terminated and every enum in range
 * afterwards. 0 or -EBADMSG.
 */
int pp_check(const union pp_msg *m, size_t len, unsigned nfds, enum pp_side from);

/* 0, -EAGAIN (the other side is slow), -EPIPE, or another errno. */
int pp_send(int sock, const void *msg, const int *fds, unsigned nfds);

/*
 * 0: *ret holds a sound message and fds its descriptors (room for
 * FD_PASS_MAX). -EAGAIN none; -EPIPE the other side is gone; -EBADMSG.
 */
int pp_recv(int sock, enum pp_side from, union pp_msg *ret, int *fds, unsigned *ret_nfds);

/*
 * Ceilings: whether reeved may do what the core asks, by the config alone.
 * -EPERM or -EINVAL with the sentence.
 */
int pp_allow_cpuset(const struct conf *c, const struct pp_cpuset *m, struct err *e);
int pp_allow_plane(const struct conf *c, const struct pp_plane *m, struct err *e);
/*
 * `name`: what the kernel calls the interface now; -ENODEV when the core knew it
 * by another. Loopback is refused by the caller.
 */
int pp_allow_nic_open(const struct conf *c, const struct pp_nic_open *m, const char *name,
		      struct err *e);
/* Whether that tenant may be on the interface. */
int pp_allow_nic_owner(const struct conf *c, const struct pp_nic_owner *m, const char *name,
		       struct err *e);
/* Not one of the system's queues. */
int pp_allow_nic_queue(const struct conf *c, const struct pp_nic_queue *m, const char *name,
		       struct err *e);
/* Only what the tenant of that name, the owner's, may lease. */
int pp_allow_nic_address(const struct conf *c, const struct pp_nic_address *m, const char *tenant,
			 struct err *e);
/* Software flows only where the config has them. */
int pp_allow_nic_flow(const struct conf *c, const struct pp_nic_flow *m, const char *name,
		      struct err *e);

#endif
