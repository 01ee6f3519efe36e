/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flow rules. Those of XDP (soft) are keys of the flow map, found by the core's
 * number; those of the NIC are in the table of records, found by where they
 * are in the NIC. No rule of the NIC is deleted that is not in that table.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "bpf/layout.h"
#include "mech/bpfmap.h"
#include "reeved.h"

/* --- of XDP -------------------------------------------------------------------- */

struct soft_flow {
	struct soft_flow *next;
	uint32_t number;
	uint32_t place;
	struct reeve_flow_key key;
	bool unclaimed;
};

bool flows_on_port(const struct owner *o, uint16_t port)
{
	for (const struct soft_flow *s = o->flows; s; s = s->next)
		if (s->key.dst_port == port)
			return true;
	return false;
}

static bool is_zero(const uint8_t address[16])
{
	static const uint8_t zero[16];

	return !memcmp(address, zero, sizeof(zero));
}

/* What the program would never find: see the order of its lookups in bpf/layout.h. */
static int check_soft(const struct flow *flow, struct err *e)
{
	if (!flow->dst_port)
		return fail(e, EINVAL, "a software flow needs a destination port");
	if (flow->src_port && is_zero(flow->src))
		return fail(e, EINVAL, "a software flow with a source port needs a source address");
	if (!is_zero(flow->src) && is_zero(flow->dst))
		return fail(e, EINVAL,
			    "a software flow with a source address needs a destination address");
	return 0;
}

static struct reeve_flow_key key_of(const struct owner *o, const struct flow *flow)
{
	struct reeve_flow_key key = { 0 };

	key.owner = o->slot;
	key.dst_port = flow->dst_port;
	key.src_port = flow->src_port;
	key.ipv6 = flow->ipv6;
	memcpy(key.dst, flow->dst, sizeof(key.dst));
	memcpy(key.src, flow->src, sizeof(key.src));
	return key;
}

static struct soft_flow **find_soft(struct owner *o, uint32_t number)
{
	struct soft_flow **at = &o->flows;

	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

/* Under its number or any other one: that is the next core's to say. */
static struct soft_flow *find_unclaimed(const struct owner *o, const struct reeve_flow_key *key,
					uint32_t place)
{
	struct soft_flow *s = o->flows;

	while (s && !(s->unclaimed && s->place == place && !memcmp(&s->key, key, sizeof(*key))))
		s = s->next;
	return s;
}

static int claim_soft(struct owner *o, struct soft_flow *s, uint32_t number, struct err *e)
{
	const struct soft_flow *same = *find_soft(o, number);

	if (same && same != s)
		return fail(e, EEXIST, "the owner has another flow of this number");
	s->number = number;
	s->unclaimed = false;
	return 0;
}

static int check_new(const struct iface *f, struct owner *o, const struct reeve_flow_key *key,
		     uint32_t number, struct err *e)
{
	uint32_t place;
	int r = bpfmap_get(f->maps[LOADER_FD_FLOWS], key, &place);

	if (r == 0 || *find_soft(o, number))
		return fail(e, EEXIST, "the owner has this flow already");
	return r == -ENOENT ? 0 : fail(e, -r, "can't look for the flow: %s", strerror(-r));
}

/* However many a tenant takes, the next one finds as many. */
static int check_share(const struct iface *f, const struct owner *o, struct err *e)
{
	uint32_t left = REEVE_FLOWS - f->nflows, held = 0;

	for (const struct owner *other = f->owners; other; other = other->next)
		if (!strcmp(other->tenant, o->tenant))
			held += other->nflows;
	if (held < left)
		return 0;
	return fail(e, ENOSPC,
		    "the tenant has %" PRIu32 " software flows on the interface, and %" PRIu32
		    " are left for everybody",
		    held, left);
}

static void count_soft(struct iface *f, struct owner *o, int by)
{
	f->nflows += (uint32_t)by;
	o->nflows += (uint32_t)by;
}

static void forget_soft(struct iface *f, struct owner *o, struct soft_flow **at)
{
	struct soft_flow *s = *at;

	*at = s->next;
	FAULT_HERE(REEVED_FLOW_OFF);
	bpfmap_del(f->maps[LOADER_FD_FLOWS], &s->key);
	count_soft(f, o, -1);
	free(s);
}

static void drop_soft(struct iface *f, struct owner *o, struct soft_flow **at)
{
	uint16_t port = (*at)->key.dst_port;

	forget_soft(f, o, at);
	if (owner_has_port(o, port) && !flows_on_port(o, port))
		owner_write_port(o, port, false);
}

/* The key first: a port that has flows gives its owner nothing else. */
static int set_soft(struct iface *f, struct owner *o, struct soft_flow *s)
{
	int r = FAULT(REEVED_FLOW);

	if (r == 0)
		r = bpfmap_set(f->maps[LOADER_FD_FLOWS], &s->key, &s->place);
	if (r < 0)
		return r;
	s->next = o->flows;
	o->flows = s;
	count_soft(f, o, 1);
	return owner_has_port(o, s->key.dst_port) ? owner_write_port(o, s->key.dst_port, false) : 0;
}

/* Its number is the core's to say; these are no core's. */
bool flow_adopt(struct iface *f, struct owner *o, const struct reeve_flow_key *key, uint32_t place)
{
	struct soft_flow *s = malloc(sizeof(*s));

	if (!s)
		return false;
	*s = (struct soft_flow){
		.next = o->flows, .number = UINT32_MAX - o->nflows, .place = place, .key = *key
	};
	o->flows = s;
	count_soft(f, o, 1);
	return true;
}

static int make_soft(struct iface *f, struct owner *o, const struct soft_flow *want, struct err *e)
{
	struct soft_flow *s;
	int r = check_new(f, o, &want->key, want->number, e);

	if (r == 0)
		r = check_share(f, o, e);
	if (r < 0)
		return r;
	s = malloc(sizeof(*s));
	if (!s)
		return fail(e, ENOMEM, "out of memory");
	*s = *want;
	r = set_soft(f, o, s);
	if (r == 0)
		return 0;
	if (o->flows == s)
		drop_soft(f, o, &o->flows);
	else
		free(s);
	return fail(e, -r, "can't set the flow: %s", strerror(-r));
}

static int add_soft(struct iface *f, struct owner *o, const struct pp_nic_flow *m, struct err *e)
{
	const struct soft_flow want = { .number = m->location,
					.place = m->flow.queue,
					.key = key_of(o, &m->flow) };
	struct soft_flow *left = find_unclaimed(o, &want.key, want.place);
	int r;

	if (f->form != NIC_FORM_SINGLE)
		return fail(e, EOPNOTSUPP, "software flows need the single form");
	r = check_soft(&m->flow, e);
	if (r < 0)
		return r;
	return left ? claim_soft(o, left, m->location, e) : make_soft(f, o, &want, e);
}

/* --- of the NIC ---------------------------------------------------------------- */

/* Written down as switched on by us before it is: it was off then, if it comes to that. */
static int switch_on(struct nics *n, struct iface *f, const char *name, struct err *e)
{
	bool changed = false;
	int r;

	if (f->record->ntuple_changed || ntuple_capacity(n->ethtool, name) >= 0)
		return 0;
	f->record->ntuple_changed = 1;
	r = ntuple_enable(n->ethtool, name, &changed);
	f->record->ntuple_changed = r == 0 && changed;
	return r < 0 ? fail(e, -r, "%s takes no flow rules: %s", name, strerror(-r)) : 0;
}

static bool *rule_unclaimed(struct nics *n, const struct rule_record *rule)
{
	return &n->rules_unclaimed[rule - n->table->rules];
}

static struct rule_record *find_rule(struct nics *n, const struct iface *f, const struct owner *o,
				     uint32_t location)
{
	for (int i = 0; i < IFACE_RULES_MAX; i++) {
		struct rule_record *r = &n->table->rules[i];

		if (r->ifindex == f->ifindex && r->owner == o->number && r->location == location)
			return r;
	}
	return NULL;
}

static struct rule_record *find_left_rule(struct nics *n, const struct iface *f,
					  const struct owner *o, const struct pp_nic_flow *m)
{
	struct rule_record *rule = find_rule(n, f, o, m->location);

	return rule && rule->queue == m->flow.queue && *rule_unclaimed(n, rule) ? rule : NULL;
}

static bool claim_rule(struct nics *n, const struct iface *f, const struct owner *o,
		       const struct pp_nic_flow *m)
{
	struct rule_record *rule = find_left_rule(n, f, o, m);

	if (!rule)
		return false;
	*rule_unclaimed(n, rule) = false;
	return true;
}

static int make_rule(struct nics *n, struct iface *f, const struct owner *o,
		     const struct flow *flow, uint32_t *ret, struct err *e)
{
	struct rule_record *rule = rule_free(n);
	char name[NIC_NAME_MAX];
	uint32_t location;
	int r;

	if (!n->ethtool)
		return fail(e, EOPNOTSUPP, "flow rules can't be set from here");
	if (!rule)
		return fail(e, ENOSPC, "%d flow rules are in use, no more fit", IFACE_RULES_MAX);
	r = iface_name(f->ifindex, name, e);
	if (r == 0)
		r = switch_on(n, f, name, e);
	if (r == 0)
		r = ntuple_insert(n->ethtool, name, flow, &location, e);
	if (r < 0)
		return r;
	rule_write(rule, &(struct rule_record){ .ifindex = f->ifindex,
						.owner = o->number,
						.queue = flow->queue,
						.location = location });
	*ret = location;
	return 0;
}

static int add_rule(struct nics *n, struct iface *f, const struct owner *o,
		    const struct pp_nic_flow *m, uint32_t *ret, struct err *e)
{
	if (f->queues[m->flow.queue] != o)
		return fail(e, EPERM, "queue %u is not this owner's", m->flow.queue);
	if (!claim_rule(n, f, o, m))
		return make_rule(n, f, o, &m->flow, ret, e);
	*ret = m->location;
	return 0;
}

static void forget_rule(struct nics *n, struct rule_record *rule)
{
	*rule_unclaimed(n, rule) = false;
	rule->ifindex = 0;
}

/* An interface that is gone took its rules along. */
static void drop_rule(struct nics *n, struct rule_record *rule)
{
	char name[NIC_NAME_MAX] = "";
	struct err e = { 0 };
	int r = iface_name(rule->ifindex, name, &e);

	if (r == 0 && n->ethtool)
		r = ntuple_delete(n->ethtool, name, rule->location, &e);
	if (r < 0 && r != -ENOENT && r != -ENODEV)
		nics_complain("a flow rule could not be taken back", name, e.text);
	forget_rule(n, rule);
}

void rules_leave_queue(struct nics *n, const struct iface *f, uint32_t queue)
{
	for (int i = 0; i < IFACE_RULES_MAX; i++) {
		struct rule_record *r = &n->table->rules[i];

		if (r->ifindex == f->ifindex && r->queue == queue)
			drop_rule(n, r);
	}
}

void rules_end(struct nics *n, struct nic_record *rec, const char *name)
{
	for (int i = 0; i < IFACE_RULES_MAX; i++) {
		struct rule_record *r = &n->table->rules[i];

		if (r->ifindex == rec->ifindex && name)
			drop_rule(n, r);
		else if (r->ifindex == rec->ifindex)
			forget_rule(n, r);
	}
	if (rec->ntuple_changed && name && n->ethtool)
		ntuple_disable(n->ethtool, name);
	rec->ntuple_changed = 0;
}

void rules_unclaim(struct nics *n)
{
	for (int i = 0; i < IFACE_RULES_MAX; i++)
		n->rules_unclaimed[i] = n->table->rules[i].ifindex != 0;
}

void rules_sweep(struct nics *n)
{
	for (int i = 0; i < IFACE_RULES_MAX; i++)
		if (n->rules_unclaimed[i])
			drop_rule(n, &n->table->rules[i]);
}

/* --- both ---------------------------------------------------------------------- */

bool flow_is_left(struct nics *n, const struct iface *f, const struct owner *o,
		  const struct pp_nic_flow *m)
{
	const struct reeve_flow_key key = key_of(o, &m->flow);

	return m->soft ? find_unclaimed(o, &key, m->flow.queue) != NULL
		       : find_left_rule(n, f, o, m) != NULL;
}

int flow_add(struct nics *n, struct iface *f, struct owner *o, const struct pp_nic_flow *m,
	     uint32_t *ret, struct err *e)
{
	int r;

	if (!m->soft)
		return add_rule(n, f, o, m, ret, e);
	r = add_soft(f, o, m, e);
	if (r == 0)
		*ret = m->location;
	return r;
}

int flow_remove(struct nics *n, struct iface *f, struct owner *o, const struct pp_nic_flow *m,
		struct err *e)
{
	struct soft_flow **soft = m->soft ? find_soft(o, m->location) : NULL;
	struct rule_record *rule = m->soft ? NULL : find_rule(n, f, o, m->location);

	if (m->soft ? !*soft : !rule)
		return fail(e, ENOENT, "the owner has no such flow");
	if (m->soft)
		drop_soft(f, o, soft);
	else
		drop_rule(n, rule);
	return 0;
}

/* Those of the NIC went with their queues; no frame looks at the ports any more. */
void flows_end(struct iface *f, struct owner *o)
{
	while (o->flows)
		forget_soft(f, o, &o->flows);
}

void flows_unclaim(struct owner *o)
{
	for (struct soft_flow *s = o->flows; s; s = s->next)
		s->unclaimed = true;
}

void flows_sweep(struct iface *f, struct owner *o)
{
	struct soft_flow **at = &o->flows;

	while (*at)
		if ((*at)->unclaimed)
			drop_soft(f, o, at);
		else
			at = &(*at)->next;
}
