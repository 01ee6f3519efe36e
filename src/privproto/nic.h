/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of the private protocol that is about network interfaces. An
 * interface is opened once (the program is loaded and attached), then has
 * owners: instances, by their number in the ledger, each of a tenant. Queues,
 * ports and flows belong to an owner, and go with it.
 *
 *   PP_NIC_OPEN    attach to it                         PP_RESULT: form | mode << 8,
 *                                                       and PP_NIC_WAS_THERE
 *   PP_NIC_CLOSE   detach, put everything back          no answer
 *   PP_NIC_OWNER   a new owner, or one ends with all    PP_RESULT
 *                  it has there
 *   PP_NIC_QUEUE   a queue's frames are this owner's    PP_RESULT
 *   PP_NIC_PORT    a UDP port's frames are, on its      PP_RESULT
 *                  queues
 *   PP_NIC_PORTS   many of them at once                 PP_RESULT
 *   PP_NIC_ADDRESS an IP address, all of it, is this    PP_RESULT
 *                  owner's, on its queues
 *   PP_NIC_FLOW    a flow rule, in the NIC or in XDP    PP_RESULT: location or number
 *   PP_NIC_MAP     the owner's XSKMAP                   PP_NIC_FDS with 1 descriptor
 *   PP_NIC_XSK     an AF_XDP socket for a queue         PP_NIC_FDS with 2: socket, memory
 *   PP_NIC_COUNT   what some ports counted              PP_NIC_COUNTS
 *
 * Serial 0 in a request: no answer is wanted. Requests for one interface are
 * done in order; what comes between OPEN and its answer is -EAGAIN, and so is what
 * an owner asks for between OWNER and its answer, but to end: then that answer is
 * -ECANCELED. While an XSK is under way everything else goes on, and its answer is
 * -ECANCELED when the queue is not the owner's any more.
 *
 * What a core leaves when it dies is unclaimed, and changes nothing of what the
 * kernel does. The next core names all that it still holds by the same requests,
 * with `on` where there is one: what is there and unclaimed is claimed and answered
 * as if it had been made now; within the config's ceilings, by its owner, which is of
 * the same tenant. What is not there is made; what is claimed already is refused as
 * ever. Then PP_SYNCED: what is unclaimed still is dropped. In between:
 *
 *   PP_NIC_OPEN   whatever form is wanted, the answer has the one that is there; when
 *                 it is just being opened, there is no answer before that is done
 *   PP_NIC_OWNER  likewise while it is being made
 *   PP_NIC_FLOW   a software flow is known by all but its number, which is the
 *                 request's from now on; a rule of the NIC by owner, queue and location
 */
#ifndef REEVE_PRIVPROTO_NIC_H
#define REEVE_PRIVPROTO_NIC_H

#include "model/ipaddr.h"
#include "model/nic.h"

struct pp_head {
	uint32_t type;
	uint32_t serial; /* of a request; its answer carries the same */
};

enum {
	PP_OWNERS_MAX = 99999,	/* numbers of instances in the ledger stay below */
	PP_NIC_USES_MAX = 4096, /* owners on all interfaces together */
	/* Answer to PP_NIC_OPEN: it was open before, and so is all that was on it. */
	PP_NIC_WAS_THERE = 1 << 16,
	PP_COUNTS_MAX = 64,
	/* Of a socket that root makes: frames, and entries of each ring; powers of two. */
	PP_XSK_FRAMES_MAX = 16384,
	PP_XSK_RING_MAX = 4096,
};

struct pp_nic_open {
	struct pp_head head;
	uint32_t ifindex;
	uint32_t form; /* enum nic_want_form but AUTO */
	uint32_t conf_serial;
	uint32_t pad;
	/* As the core knows it: refused when the interface has another name by now. */
	char name[NIC_NAME_MAX];
};

struct pp_nic_close {
	struct pp_head head;
	uint32_t ifindex, pad;
};

struct pp_nic_owner {
	struct pp_head head;
	uint32_t ifindex, owner;
	/*
	 * Index into the config's tenants, of no meaning when `on` is 0. TENANT_MAX: one
	 * that the config has no more, which may only claim what it had.
	 */
	uint32_t tenant;
	uint32_t conf_serial;
	uint32_t on, pad;
};

struct pp_nic_queue {
	struct pp_head head;
	uint32_t ifindex, owner;
	uint32_t queue;
	uint32_t on; /* 0: its frames are the kernel's again */
};

struct pp_nic_port {
	struct pp_head head;
	uint32_t ifindex, owner;
	uint32_t port, on;
};

/* PP_RESULT: 0, or why the one at index `value` can't be on; those behind it were not tried. */
struct pp_nic_ports {
	struct pp_head head;
	uint32_t ifindex, owner;
	uint32_t n, pad;
	uint16_t ports[PP_COUNTS_MAX];
};

struct pp_nic_address {
	struct pp_head head;
	uint32_t ifindex, owner;
	uint32_t on, pad;
	struct ipaddr address;
};

struct pp_nic_flow {
	struct pp_head head;
	uint32_t ifindex, owner;
	uint32_t on;
	uint32_t soft; /* 1: in XDP, under the core's number */
	/* soft: the number; of the NIC: which rule ends, or is claimed. */
	uint32_t location;
	uint32_t pad;
	struct flow flow;
};

struct pp_nic_map {
	struct pp_head head;
	uint32_t ifindex, owner;
};

struct pp_nic_xsk {
	struct pp_head head;
	uint32_t ifindex, owner;
	uint32_t queue;
	uint32_t frames, frame_size; /* size 2048 or 4096 */
	uint32_t rx, tx, fill, comp; /* ring entries */
	uint32_t pad;
};

struct pp_nic_fds { /* reeved -> core */
	struct pp_head head;
	int32_t error;	/* positive errno, and no descriptors then */
	uint32_t value; /* PP_NIC_XSK: 1 it is bound already, 0 the client binds it */
	char why[128];
};

struct pp_nic_count {
	struct pp_head head;
	uint32_t ifindex, owner;
	uint32_t n, pad;
	uint16_t ports[PP_COUNTS_MAX];
};

struct pp_count {
	uint64_t packets, bytes;
};

struct pp_nic_counts { /* reeved -> core; a port that is off counts 0 */
	struct pp_head head;
	uint32_t n, pad;
	struct pp_count counts[PP_COUNTS_MAX];
};

#endif
