/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP without a flow, for tools. */
#include <errno.h>
#include <string.h>

#include "stack/impl.h"

bool datagram_input(struct stack *s, const struct flow_name *name, const struct mac *from,
		    const struct udp *u)
{
	const struct stack_datagram d = { .local = name->local,
					  .remote = name->remote,
					  .local_port = u->dst,
					  .remote_port = u->src,
					  .via = from,
					  .data = u->payload,
					  .len = u->len };

	return s->conf.user->datagram(s->conf.arg, &d);
}

static int find_way(struct stack *s, const struct ipaddr *to, const struct mac **ret)
{
	struct ipaddr hop;

	if (!ipaddr_is_unicast(to) || stack_own(s, to) || route(s, to, &hop) < 0)
		return -ENETUNREACH;
	*ret = neigh_resolve(s, &hop);
	return *ret ? 0 : -EHOSTUNREACH;
}

int stack_source(const struct stack *s, const struct ipaddr *to, struct ipaddr *ret)
{
	const struct stack_addr *from = source_for(s, to);

	if (!from)
		return -ENETUNREACH;
	*ret = from->ip;
	return 0;
}

int stack_send_udp(struct stack *s, const struct stack_datagram *d)
{
	struct udp u = { .src = d->local_port, .dst = d->remote_port, .len = d->len };
	struct ip ip = { .src = d->local,
			 .dst = d->remote,
			 .proto = IP_UDP,
			 .ttl = IP_TTL,
			 .len = UDP_HEADER + d->len };
	const struct mac *to = d->via;
	uint8_t *at;
	int r;

	if (!stack_own(s, &d->local) || ipaddr_is4(&d->local) != ipaddr_is4(&d->remote))
		return -EADDRNOTAVAIL;
	if (d->len > s->port->mtu || ip_header(&ip) + ip.len > s->port->mtu)
		return -EMSGSIZE;
	r = to ? 0 : find_way(s, &d->remote, &to);
	if (r < 0)
		return r;
	at = output_room(s, &ip);
	if (!at)
		return -EAGAIN;
	u.payload = at + UDP_HEADER;
	memcpy(u.payload, d->data, d->len);
	udp_encode(at, &ip, &u);
	output(s, to, &ip);
	return 0;
}
