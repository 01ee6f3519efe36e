/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows by their four names, under a hash that strangers can't foresee. */
#include "stack/hash.h"
#include "stack/impl.h"

static uint32_t place_of(const struct stack *s, const struct flow_name *n)
{
	uint64_t hash = hash_mix(s->key[0], (uint64_t)n->local_port << 16 | n->remote_port);

	hash = hash_ip(hash, &n->remote);
	hash = hash_mix(hash_ip(hash, &n->local), s->key[1]);
	return (uint32_t)(hash >> 20) & s->table_mask;
}

static bool same(const struct flow_name *a, const struct flow_name *b)
{
	return a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       ipaddr_equal(&a->remote, &b->remote) && ipaddr_equal(&a->local, &b->local);
}

struct flow *table_find(const struct stack *s, const struct flow_name *name)
{
	struct flow *f = s->table[place_of(s, name)];

	while (f && !same(&f->name, name))
		f = f->hash_next;
	return f;
}

void table_add(struct flow *f)
{
	struct flow **at = &f->stack->table[place_of(f->stack, &f->name)];

	f->hash_next = *at;
	*at = f;
}

void table_remove(struct flow *f)
{
	struct flow **at = &f->stack->table[place_of(f->stack, &f->name)];

	while (*at != f)
		at = &(*at)->hash_next;
	*at = f->hash_next;
}
