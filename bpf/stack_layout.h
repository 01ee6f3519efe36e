/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The maps of stack_xdp, which has the frames of a user-space stack go to its
 * sockets, as both sides see them: the program, and what loads it (src/xdp). One
 * set for each interface. Only fixed-size integers.
 *
 *   addresses  HASH struct stack_address -> u32 of STACK_* bits
 *   ports      65536 bytes by UDP port in network order, 1: the stack's (memory of
 *              the program's own, mapped by its loader: a port changes without a call)
 *   xskmap     XSKMAP by receive queue; a queue without a socket is the kernel's
 *   counts     PERCPU_ARRAY of one struct stack_counts
 *
 * An address is given in one of two ways. STACK_WHOLE: the kernel does not have it,
 * and the stack gets what is needed to live on a network with it: ARP, neighbour
 * solicitations for it and advertisements to it, echo and errors, UDP to any port,
 * fragments of UDP too. STACK_PORTS: the kernel has it, too, and the stack gets
 * whole UDP datagrams to the ports that are on, nothing else.
 */
#ifndef REEVE_BPF_STACK_LAYOUT_H
#define REEVE_BPF_STACK_LAYOUT_H

#include <linux/types.h>

enum {
	STACK_ADDRESSES = 256,
	STACK_PORTS_MAX = 65536,
	STACK_QUEUES = 256, /* NIC_QUEUES_MAX */
};

enum {
	STACK_WHOLE = 1,
	STACK_PORTS = 2,
};

/* As on the wire; an IPv4 address as ::ffff:a.b.c.d. */
struct stack_address {
	__u8 bytes[16];
};

struct stack_counts {
	__u64 redirected, passed;
};

_Static_assert(sizeof(struct stack_address) == 16, "a key without padding");
_Static_assert(sizeof(struct stack_counts) == 16, "the same on both sides");

#endif
