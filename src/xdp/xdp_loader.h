/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads bpf/stack_xdp for one interface and has it attached for as long as this
 * process lives: by a bpf_link, which the kernel takes down with its last
 * descriptor. Another XDP program is never replaced, nor is this one by another.
 * Needs CAP_NET_ADMIN and CAP_BPF (root before Linux 5.8). Links libbpf.
 *
 * At first no address is the stack's: everything goes to the kernel.
 */
#ifndef REEVE_XDP_XDP_LOADER_H
#define REEVE_XDP_XDP_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "bpf/stack_layout.h"
#include "model/nic.h"

struct xdp_loader;

/*
 * `mode`: of enum nic_want_mode. Auto is native, then generic; on veth generic only,
 * which is faster there and leaves the peer's offloads as they are. -EBUSY: there is a
 * program; the sentence names it. The sentence has what libbpf said, too.
 */
int xdp_loader_open(const char *ifname, uint32_t mode, struct xdp_loader **ret, struct err *e);
/* The kernel has all frames again. Accepts NULL. */
void xdp_loader_close(struct xdp_loader *l);

enum nic_mode xdp_loader_mode(const struct xdp_loader *l);

/* What comes to the queue, and is the stack's, goes to that AF_XDP socket; -1: to the kernel. */
int xdp_loader_set_socket(struct xdp_loader *l, uint32_t queue, int sock);

/*
 * `bits`: STACK_WHOLE or STACK_PORTS; 0: not the stack's (any more). -EINVAL: other bits, or
 * no address of a single host; -E2BIG: STACK_ADDRESSES are there.
 */
int xdp_loader_set_address(struct xdp_loader *l, const struct stack_address *a, uint32_t bits);

/* A UDP port, in host order, of all addresses with STACK_PORTS. No system call. */
void xdp_loader_set_port(struct xdp_loader *l, uint16_t port, bool on);

/* Since it was opened, of all CPUs. */
int xdp_loader_counts(const struct xdp_loader *l, struct stack_counts *ret);

#endif
