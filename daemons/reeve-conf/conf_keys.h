/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What each key of reeve.conf means: text in, a field of struct conf out, all
 * rules of the field checked. Knows nothing of the file's grammar.
 */
#ifndef REEVE_CONF_KEYS_H
#define REEVE_CONF_KEYS_H

#include <stdbool.h>

#include "reeve-conf/conf_file.h"

/* A configuration while it is being put together. */
struct build {
	struct conf *c;
	const struct conf_names *names;
	uint32_t tenant; /* the one whose keys are being set */
	uint32_t nic;	 /* likewise */
	uint32_t named;	 /* bit per plane: `planes` names it */
};

struct key {
	const char *name;
	bool list;
	int arg; /* for `set`, where one function serves several keys */
	int (*set)(struct build *b, int arg, const char *text, struct err *e);
	int (*none)(struct build *b, struct err *e); /* an empty list; NULL: that says nothing */
};

/* Each ends in a key without a name. Keys are set in this order, whatever the file's. */
extern const struct key top_keys[];
extern const struct key log_keys[];
extern const struct key mtl_keys[];
extern const struct key stack_keys[];
extern const struct key nic_keys[];
extern const struct key tenant_keys[];
extern const struct key channel_keys[];

/* The keys of `quota`: the names of the resource kinds. */
void quota_keys(struct key ret[static RES_KIND_MAX + 1]);

/* The defaults, and the ids of this host. */
int build_begin(struct build *b, struct err *e);

/* Makes `title` the tenant that tenant_keys set, then: whether it makes sense as a whole. */
int tenant_begin(struct build *b, const char *title, struct err *e);
int tenant_end(const struct build *b, struct err *e);

/* Makes `title` the NIC, or the pattern, that nic_keys set. */
int nic_begin(struct build *b, const char *title, struct err *e);

/* --- for the files behind this header ---------------------------------------- */

/* A text too long fills the field without a NUL, which is what the rules refuse. */
void put_text(char *to, size_t size, const char *from);
int parse_bool(const char *key, const char *text, bool *ret, struct err *e);
int set_nic(struct build *b, int arg, const char *text, struct err *e);
int no_nics(struct build *b, struct err *e);
int set_tenant_nic(struct build *b, int arg, const char *text, struct err *e);
int no_tenant_nics(struct build *b, struct err *e);
int set_tenant_net(struct build *b, int arg, const char *text, struct err *e);

#endif
