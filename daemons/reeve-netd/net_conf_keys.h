/* SPDX-License-Identifier: BSD-3-Clause */
/* What net_conf.c and the keys of an interface share; nobody else includes this. */
#ifndef REEVE_NETD_NET_CONF_KEYS_H
#define REEVE_NETD_NET_CONF_KEYS_H

#include <jansson.h>

#include "reeve-netd/net_conf.h"

/* The interface that is being built is c->ifaces[c->nifaces]; those before it are complete. */
struct build {
	struct net_conf *c;
	bool has_prefix[NET_ADDRS_MAX]; /* "a.b.c.d/n" or `prefix` */
};

/*
 * They are set in the order of the table, whatever the file's: what stands below may
 * look at what stands above. Ends with a NULL name.
 */
struct net_key {
	const char *name;
	bool required;
	/* Sentences say nothing of the place. */
	int (*set)(struct build *b, const json_t *value, struct err *e);
};

extern const struct net_key net_keys[];

enum { QUOTE_MAX = 44 };

/* Foreign text in a sentence: printable, cut. Returns `to`. */
const char *quote(char to[static QUOTE_MAX], const char *text);

/* NULL with a sentence: it is none. */
const char *key_text(const json_t *value, struct err *e);
int key_number(const json_t *value, uint64_t min, uint64_t max, uint64_t *ret, struct err *e);

struct net_iface *build_iface(const struct build *b);

/* net_conf_addr.c */
int set_ip(struct build *b, const json_t *value, struct err *e);
int set_prefix(struct build *b, const json_t *value, struct err *e);
int set_gateway(struct build *b, const json_t *value, struct err *e);
int set_gateway6(struct build *b, const json_t *value, struct err *e);

#endif
