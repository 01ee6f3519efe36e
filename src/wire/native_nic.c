/* SPDX-License-Identifier: BSD-3-Clause */
/* The parameters of the methods about network interfaces. */
#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"
#include "wire/params.h"

static void take_nic(struct params *p, char ret[static NIC_NAME_MAX])
{
	take_word(p, "nic", REQUIRED, ret, NIC_NAME_MAX);
	if (!p->bad && !nic_name_sound(ret))
		params_refuse(p, "nic");
}

void decode_acquire_queues(struct params *p, struct native_request *q)
{
	take_nic(p, q->queues.nic);
	take_count_or_list(p, "queues", NIC_QUEUES_MAX, &q->queues.count, &q->queues.exact);
	if (!q->queues.count && cpuset_empty(&q->queues.exact))
		q->queues.count = 1;
	take_ttl(p, &q->queues.ttl_ns);
	take_text(p, "name", OPTIONAL, q->queues.name, sizeof(q->queues.name));
}

static uint16_t take_udp_port(struct params *p, const char *name, enum presence presence)
{
	int64_t port = 0;

	take_int(p, name, presence, 1, UINT16_MAX, &port);
	return (uint16_t)port;
}

void decode_port(struct params *p, struct native_request *q)
{
	take_nic(p, q->port.nic);
	q->port.port = take_udp_port(p, "port", REQUIRED);
}

void decode_acquire_address(struct params *p, struct native_request *q)
{
	char text[IPADDR_TEXT] = "";

	take_nic(p, q->address.nic);
	take_word(p, "address", REQUIRED, text, sizeof(text));
	if (!p->bad &&
	    (ipaddr_parse(text, &q->address.ip) < 0 || !ipaddr_is_unicast(&q->address.ip)))
		params_refuse(p, "address");
	take_text(p, "name", OPTIONAL, q->address.name, sizeof(q->address.name));
}

/* The address family; 0: there is no address. That of all zeros is none: it would say "any". */
static int take_address(struct params *p, const char *name, uint8_t ret[static 16])
{
	static const uint8_t any[16];
	char text[INET6_ADDRSTRLEN] = "";
	int family;

	if (!take_text(p, name, OPTIONAL, text, sizeof(text)))
		return 0;
	family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(family, text, ret) != 1 || !memcmp(ret, any, sizeof(any)))
		params_refuse(p, name);
	return family;
}

void decode_add_flow(struct params *p, struct native_request *q)
{
	struct flow *f = &q->flow.flow;
	int64_t queue = 0;
	int from, to;

	take_nic(p, q->flow.nic);
	take_int(p, "queue", REQUIRED, 0, NIC_QUEUES_MAX - 1, &queue);
	f->queue = (uint16_t)queue;
	from = take_address(p, "source", f->src);
	to = take_address(p, "destination", f->dst);
	if (from && to && from != to)
		params_refuse(p, "destination");
	f->ipv6 = from == AF_INET6 || to == AF_INET6;
	f->src_port = take_udp_port(p, "source_port", OPTIONAL);
	f->dst_port = take_udp_port(p, "destination_port", OPTIONAL);
	if (!from && !to && !f->src_port && !f->dst_port)
		params_refuse(p, "destination_port");
	if (!p->bad && flow_check(f) < 0)
		params_refuse(p, "destination");
}

/* A power of two. */
static void take_size(struct params *p, const char *name, uint32_t lowest, uint32_t highest,
		      uint32_t *ret)
{
	int64_t n = *ret;

	take_int(p, name, OPTIONAL, lowest, highest, &n);
	if (n & (n - 1))
		params_refuse(p, name);
	*ret = (uint32_t)n;
}

void decode_open_socket(struct params *p, struct native_request *q)
{
	int64_t lease = 0;

	take_int(p, "lease", REQUIRED, 1, INT64_MAX, &lease);
	q->socket.lease = (uint64_t)lease;
	q->socket.frames = NATIVE_XSK_FRAMES;
	q->socket.frame_size = NATIVE_XSK_FRAME_SIZE;
	q->socket.ring = NATIVE_XSK_RING;
	take_size(p, "frames", NATIVE_XSK_FRAMES_MIN, NATIVE_XSK_FRAMES_MAX, &q->socket.frames);
	take_size(p, "frame_size", NATIVE_XSK_FRAME_SIZE, NATIVE_XSK_FRAME_SIZE_MAX,
		  &q->socket.frame_size);
	take_size(p, "ring", NATIVE_XSK_RING_MIN, NATIVE_XSK_RING_MAX, &q->socket.ring);
}
