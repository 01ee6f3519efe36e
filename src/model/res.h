/* SPDX-License-Identifier: BSD-3-Clause */
/* What can be leased: the closed set of resource kinds and their names. */
#ifndef REEVE_MODEL_RES_H
#define REEVE_MODEL_RES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ipaddr.h"

enum res_kind {
	RES_LCORE,
	RES_QUEUE,
	RES_FLOW,
	RES_UDP_PORT,
	RES_XDP,
	RES_QP,
	RES_VM,
	RES_CHANNEL,
	RES_ADDRESS,
	RES_KIND_MAX,
};

/*
 * One resource. `scope` is the ifindex for queue, flow, UDP port, XDP and address,
 * the device for a QP, and 0 for the rest; `id` is the CPU number, queue and so on.
 * Two leases conflict when all three are equal. Several instances may be on one
 * interface and wait for the same UDP port, each on queues of its own: their
 * number in the ledger ("owner") is a part of what these leases are over.
 *   xdp       owner: the instance uses reeve's program on that interface
 *   udp_port  owner << 16 | port
 *   flow      RES_FLOW_SOFT | number, or the location of the NIC's rule
 *   address   the 32 bits of an IPv4 one; of an IPv6 one RES_ADDRESS_IPV6 | a hash of it: two
 *             that clash are refused as if they were one, never leased twice
 */
struct res {
	uint32_t kind;
	uint32_t scope;
	uint64_t id;
};

_Static_assert(sizeof(struct res) == 16, "struct res stands in the ledger's memory");

#define RES_FLOW_SOFT	 (UINT64_C(1) << 32)
#define RES_ADDRESS_IPV6 (UINT64_C(1) << 63)

static inline struct res res_xdp(uint32_t ifindex, uint32_t owner)
{
	return (struct res){ .kind = RES_XDP, .scope = ifindex, .id = owner };
}

static inline struct res res_udp_port(uint32_t ifindex, uint32_t owner, uint16_t port)
{
	return (struct res){ .kind = RES_UDP_PORT,
			     .scope = ifindex,
			     .id = (uint64_t)owner << 16 | port };
}

static inline struct res res_queue(uint32_t ifindex, uint32_t queue)
{
	return (struct res){ .kind = RES_QUEUE, .scope = ifindex, .id = queue };
}

static inline struct res res_flow(uint32_t ifindex, uint64_t id)
{
	return (struct res){ .kind = RES_FLOW, .scope = ifindex, .id = id };
}

struct res res_address(uint32_t ifindex, const struct ipaddr *a);
/* The address itself, which the id of an IPv4 one is; false: it is none. */
bool res_ipv4(const struct res *res, struct ipaddr *ret);

enum { RES_TEXT = 80 }; /* room for what these write, any name of 45 bytes included */

#define QUOTA_NONE UINT32_MAX /* no limit */

struct quota {
	uint32_t max[RES_KIND_MAX];
};

/* "lcore", ... ; NULL for a number that is no kind. */
const char *res_kind_name(uint32_t kind);
/* -ENOENT for a name that is no kind. */
int res_kind_parse(const char *name);

/*
 * "lcore 5", "queue 3 of if 2", "udp_port 5000 of if 2", "xdp of if 2", "flow 7 of
 * if 2", "soft flow 7 of if 2", "address 10.0.0.1 of if 2". Returns the length.
 */
size_t res_format(const struct res *res, char *buf, size_t size);
/* With the address that it is about, since no hash can tell; NULL, or zeros: not known. */
size_t res_format_address(const struct res *res, const struct ipaddr *a, char *buf, size_t size);

#endif
