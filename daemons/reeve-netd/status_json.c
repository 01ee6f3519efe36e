/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "base/clock.h"
#include "iface.h"
#include "model/nic.h"
#include "port/af_xdp.h"
#include "status.h"

/* A member of a struct of numbers. */
struct number {
	const char *name;
	size_t at;
	bool wide; /* uint64_t, not uint32_t */
};

#define NUMBER(type, member)                                                                    \
	{                                                                                       \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member) == 8 \
	}

static json_t *json_numbers(const void *from, const struct number *table, size_t n)
{
	json_t *object = json_object();

	for (size_t i = 0; i < n; i++) {
		const char *at = (const char *)from + table[i].at;
		uint64_t wide;
		uint32_t narrow;

		memcpy(&narrow, at, sizeof(narrow));
		wide = narrow;
		if (table[i].wide)
			memcpy(&wide, at, sizeof(wide));
		json_object_set_new(object, table[i].name, json_integer((json_int_t)wide));
	}
	return object;
}

static json_t *json_stack(const struct stack_stats *s)
{
#define STACK(member) NUMBER(stack_stats, member)
	static const struct number table[] = {
		STACK(frames),	  STACK(not_ours),    STACK(damaged),	  STACK(unsupported),
		STACK(data),	  STACK(duplicate),   STACK(reordered),	  STACK(too_far),
		STACK(refused),	  STACK(ended),	      STACK(sent),	  STACK(resent),
		STACK(timeouts),  STACK(no_room),     STACK(syn_dropped), STACK(resets_sent),
		STACK(echoes),	  STACK(arp_answers), STACK(steered),	  STACK(flows),
		STACK(half_open), STACK(listeners),   STACK(neighbours),  STACK(segments_free),
	};

	return json_numbers(s, table, ARRAY_SIZE(table));
}

static json_t *json_port(const struct port_stats *s)
{
	static const struct number table[] = {
		NUMBER(port_stats, rx_frames), NUMBER(port_stats, rx_bytes),
		NUMBER(port_stats, tx_frames), NUMBER(port_stats, tx_bytes),
		NUMBER(port_stats, tx_full),
	};

	return json_numbers(s, table, ARRAY_SIZE(table));
}

static json_t *json_socket(const struct af_xdp_stats *s)
{
	static const struct number table[] = {
		NUMBER(af_xdp_stats, rx_dropped),    NUMBER(af_xdp_stats, rx_ring_full),
		NUMBER(af_xdp_stats, rx_fill_empty), NUMBER(af_xdp_stats, tx_invalid),
		NUMBER(af_xdp_stats, tx_down),
	};
	json_t *object = json_numbers(s, table, ARRAY_SIZE(table));

	json_object_set_new(object, "zero_copy", json_boolean(s->zero_copy));
	json_object_set_new(object, "gone", json_boolean(s->gone));
	return object;
}

json_t *json_engine(uint32_t number, const struct engine_seen *seen)
{
	return json_pack("{s:I, s:b, s:o, s:o, s:o}", "engine", (json_int_t)number, "traced",
			 seen->traced, "stack", json_stack(seen->stack), "port",
			 json_port(seen->port), "socket", json_socket(seen->socket));
}

static json_t *json_address(const struct iface *f, uint32_t i)
{
	const struct net_addr *a = &f->conf->addrs[i];
	char text[IPADDR_TEXT];

	ipaddr_format(&a->ip, text);
	return json_pack("{s:s, s:i, s:b}", "address", text, "prefix", a->prefix, "shared",
			 f->shared[i]);
}

static json_t *json_addresses(const struct iface *f)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < f->conf->naddrs; i++)
		json_array_append_new(list, json_address(f, i));
	return list;
}

static json_t *json_gateways(const struct net_iface *conf)
{
	json_t *list = json_array();
	char text[IPADDR_TEXT];

	ipaddr_format(&conf->gateway, text);
	if (conf->has_gateway)
		json_array_append_new(list, json_string(text));
	ipaddr_format(&conf->gateway6, text);
	if (conf->has_gateway6)
		json_array_append_new(list, json_string(text));
	return list;
}

static json_t *json_mac(const uint8_t *m)
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

json_t *json_iface(const struct iface *f, json_t *engines)
{
	const char *state = f->gone ? "gone" : f->up ? "up" : "down";
	uint32_t mode = f->taken ? f->way->mode(f) : NIC_MODE_NONE;
	uint32_t mtu = f->nengines ? f->engines[0].port->mtu : 0;

	return json_pack("{s:s, s:I, s:o, s:I, s:s, s:s, s:o, s:o, s:o}", "name", f->name,
			 "ifindex", (json_int_t)f->ifindex, "mac", json_mac(f->mac), "mtu",
			 (json_int_t)mtu, "state", state, "mode", nic_mode_name(mode), "addresses",
			 json_addresses(f), "gateways", json_gateways(f->conf), "engines", engines);
}

json_t *json_flow(const char *iface, uint32_t engine, const struct flow_info *f,
		  const char *channel)
{
	char local[IPADDR_TEXT], remote[IPADDR_TEXT];

	ipaddr_format(&f->name.local, local);
	ipaddr_format(&f->name.remote, remote);
	return json_pack(
		"{s:s, s:I, s:s, s:i, s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s*}",
		"interface", iface, "engine", (json_int_t)engine, "local", local, "local_port",
		f->name.local_port, "remote", remote, "remote_port", f->name.remote_port, "state",
		f->state, "acked", (json_int_t)f->snd_una, "sent", (json_int_t)f->snd_nxt,
		"received", (json_int_t)f->rcv_nxt, "window", (json_int_t)f->window, "queued",
		(json_int_t)f->queued, "held", (json_int_t)f->held, "rtt_ns", (json_int_t)f->rtt_ns,
		"resent", (json_int_t)f->resent, "channel", channel);
}

json_t *json_neighbour(const char *iface, uint32_t engine, const struct neighbour_info *n)
{
	char address[IPADDR_TEXT];

	ipaddr_format(&n->ip, address);
	return json_pack("{s:s, s:I, s:s, s:o, s:s, s:I}", "interface", iface, "engine",
			 (json_int_t)engine, "address", address, "mac", json_mac(n->mac.b), "state",
			 n->state, "age_ms", (json_int_t)(n->age_ns / NS_PER_MS));
}
