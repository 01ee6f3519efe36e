/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The maps of reeve's XDP programs, as both sides see them: the programs, and
 * what fills the maps in. Only fixed-size integers; included by C of both kinds.
 *
 * Single form, one set for each interface:
 *   owners   ARRAY of u32 by receive queue -> slot of the queue's owner, 0: none; and
 *            REEVE_OWNER_ADDRESSES when it has any
 *   tables   ARRAY_OF_MAPS by slot -> the owner's port table
 *   xskmaps  ARRAY_OF_MAPS by slot -> the owner's XSKMAP
 *   flows    HASH struct reeve_flow_key -> u32 place in the owner's XSKMAP
 *   addresses  HASH struct reeve_address -> u32 REEVE_ADDRESS_WHOLE
 * and for each owner:
 *   port table  ARRAY of 65536 struct reeve_port, by UDP port in host order
 *   XSKMAP      by place; place n is usually the socket of queue n
 * A queue without an owner has slot 0, where there is no table: its frames go to
 * the kernel. So do those whose place is empty; they were for the port, and are
 * counted.
 *
 * A queue changes hands by one plain write to `owners`. What stands in a slot that
 * no queue names is reached by no frame, so an owner's maps need not be taken out
 * when it ends; whoever gets the slot next replaces both before it has a queue, the
 * table first: the kernel then waits for programs that still look at the old one.
 *
 * Dispatcher form: filter  HASH u16 port in host order -> struct reeve_count;
 * then libxdp's own xsk_def_prog with its one XSKMAP.
 */
#ifndef REEVE_BPF_LAYOUT_H
#define REEVE_BPF_LAYOUT_H

#include <linux/types.h>

enum {
	REEVE_QUEUES = 256, /* NIC_QUEUES_MAX */
	REEVE_SLOTS = 4097, /* 4096 owners; the first is nobody's */
	REEVE_PORTS = 65536,
	REEVE_FLOWS = 4096,
	REEVE_ADDRESSES = 1024,
	REEVE_FILTER_PORTS = 65536,
};

#define REEVE_OWNER_ADDRESSES (1U << 31)

enum { REEVE_ADDRESS_WHOLE = 1 };

struct reeve_count {
	__u64 packets, bytes;
};

/* Atomic adds keep the two bits on top: nobody counts that far. */
#define REEVE_PORT_ON	 (1ULL << 63)
#define REEVE_PORT_FLOWS (1ULL << 62) /* only the flows in `flows` */
#define REEVE_PORT_COUNT (REEVE_PORT_FLOWS - 1)

struct reeve_port {
	__u64 packets; /* and the bits above */
	__u64 bytes;
};

/*
 * What a flow leaves open is zero in its key. Looked up with all of it, then
 * without src_port, then without src too, then without dst too: a flow that
 * leaves open other things is never found.
 */
struct reeve_flow_key {
	__u32 owner;		  /* its slot */
	__u16 dst_port, src_port; /* host order */
	__u32 ipv6;
	__u8 dst[16], src[16]; /* an IPv4 address in the first four bytes */
};

/* As on the wire; an IPv4 address as ::ffff:a.b.c.d. */
struct reeve_address {
	__u32 owner; /* its slot */
	__u8 bytes[16];
};

_Static_assert(sizeof(struct reeve_address) == 20, "a key without padding");

#endif
