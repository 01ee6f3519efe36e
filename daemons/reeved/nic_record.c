/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was changed on this host's interfaces, in a file of the runtime
 * directory: were this process killed, the next one would put it back. An
 * interface is known by number, name and network namespace together; where they
 * do not fit any more, only what is surely ours is touched: the pins.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "reeved.h"

static int own_netns(uint64_t *ret, struct err *e)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return fail(e, errno, "can't tell the network namespace: %m");
	*ret = st.st_ino;
	return 0;
}

static struct nic_record *find(struct nics *n, uint32_t ifindex)
{
	for (int i = 0; i < IFACES_MAX; i++)
		if (n->table->nics[i].ifindex == ifindex)
			return &n->table->nics[i];
	return NULL;
}

/* What another network namespace's interfaces are owed can't be paid from here. */
static void forget_strangers(struct nics *n)
{
	for (int i = 0; i < IFACES_MAX; i++) {
		struct nic_record *r = &n->table->nics[i];

		if (r->netns != n->netns || r->ifindex > INT32_MAX ||
		    !memchr(r->name, '\0', sizeof(r->name)))
			*r = (struct nic_record){ 0 };
	}
	for (int i = 0; i < IFACE_RULES_MAX; i++)
		if (!find(n, n->table->rules[i].ifindex))
			n->table->rules[i].ifindex = 0;
	for (int i = 0; i < IFACE_OWNERS_MAX; i++)
		if (!find(n, n->table->owners[i].ifindex))
			n->table->owners[i].ifindex = 0;
}

int records_open(struct reeved *d, struct err *e)
{
	struct nics *n = &d->nics;
	void *table;
	int r;

	r = own_netns(&n->netns, e);
	if (r == 0)
		r = state_map(d, "nics", sizeof(*n->table), &table, e);
	if (r < 0)
		return r;
	n->table = table;
	forget_strangers(n);
	return 0;
}

/* The number is what makes an entry one: it comes last, and goes first. */
static void write_number(uint32_t *number, uint32_t value)
{
	atomic_signal_fence(memory_order_seq_cst);
	*number = value;
	atomic_signal_fence(memory_order_seq_cst);
}

/* What could not be put back last time is still to be put back to what it was first. */
struct nic_record *record_make(struct nics *n, uint32_t ifindex, const char *name)
{
	struct nic_record *r = find(n, ifindex);

	if (r && !strcmp(r->name, name))
		return r;
	if (!r)
		r = find(n, 0);
	if (!r)
		return NULL;
	write_number(&r->ifindex, 0);
	*r = (struct nic_record){ .netns = n->netns };
	str_copy(r->name, sizeof(r->name), name);
	write_number(&r->ifindex, ifindex);
	return r;
}

void record_drop(struct nic_record *r)
{
	write_number(&r->ifindex, 0);
}

struct owner_record *owner_record_make(struct nics *n, uint32_t ifindex, uint32_t number,
				       uint32_t slot, const char *tenant)
{
	struct owner_record *r = n->table->owners;

	while (r < n->table->owners + IFACE_OWNERS_MAX && r->ifindex)
		r++;
	if (r == n->table->owners + IFACE_OWNERS_MAX)
		return NULL;
	r->number = number;
	r->slot = slot;
	str_copy(r->tenant, sizeof(r->tenant), tenant);
	write_number(&r->ifindex, ifindex);
	return r;
}

void owner_record_drop(struct owner_record *r)
{
	if (r)
		write_number(&r->ifindex, 0);
}

struct rule_record *rule_free(struct nics *n)
{
	for (int i = 0; i < IFACE_RULES_MAX; i++)
		if (!n->table->rules[i].ifindex)
			return &n->table->rules[i];
	return NULL;
}

void rule_write(struct rule_record *r, const struct rule_record *rule)
{
	r->owner = rule->owner;
	r->location = rule->location;
	r->queue = rule->queue;
	write_number(&r->ifindex, rule->ifindex);
}
