/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How an interface is taken. Alone (alone.c), netd attaches a program of its own and
 * makes sockets, for which it needs privileges. As a tenant of reeved (leased.c) it
 * leases queues, addresses, ports and cores, and needs none.
 *
 * Everything is called by the control thread, but for `port`.
 */
#ifndef REEVE_NETD_WAY_H
#define REEVE_NETD_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cpuset.h"
#include "base/err.h"
#include "model/nic.h"

struct engine;
struct iface;

struct way {
	/* As many queues as f->conf has engines. On failure `close` follows. */
	int (*open)(struct iface *f, struct err *e);
	/* A port on the queue of that engine, en->port. */
	int (*engine)(struct iface *f, struct engine *en, struct err *e);
	/* From here on frames come, and the engines may run. */
	int (*addresses)(struct iface *f, struct err *e);
	/* Where an engine is to run; *ret is empty: anywhere. */
	void (*cpus)(const struct iface *f, const struct engine *en, struct cpuset *ret);
	/* own_port() of struct stack_conf, with the engine; from its thread. */
	bool (*port)(void *engine, uint16_t port, bool on);
	/* How the program sits there. */
	enum nic_mode (*mode)(const struct iface *f);
	/* No frame comes any more; engines are still there. */
	void (*quiet)(struct iface *f);
	/* They are not; all is as it was before. Also after `open` failed half-way. */
	void (*close)(struct iface *f);
};

extern const struct way way_alone, way_leased;

#endif
