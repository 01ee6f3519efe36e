/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys about NICs: the lists of them, and the sections of their settings. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "reeve-conf/conf_keys.h"

static struct nic_conf *nic(struct build *b)
{
	return &b->c->nic_confs[b->nic];
}

static int check(const struct build *b, struct err *e)
{
	return conf_check_nic(b->c, b->nic, e);
}

/* --- lists ------------------------------------------------------------------ */

int set_nic(struct build *b, int arg, const char *text, struct err *e)
{
	struct conf *c = b->c;

	(void)arg;
	if (c->nnics == CONF_NICS_MAX)
		return fail(e, EINVAL, "there are more than %d NICs", CONF_NICS_MAX);
	put_text(c->nics[c->nnics++].text, NIC_NAME_MAX, text);
	return conf_check_nics(c, e);
}

int no_nics(struct build *b, struct err *e)
{
	(void)e;
	b->c->no_nics = 1;
	return 0;
}

/* Each use of a NIC takes a megabyte of the kernel, whatever it is good for. */
enum { NIC_USES = 64 };

/* A tenant that is given NICs may do with them what its quota, set later, does not limit. */
static void lift_limits(struct quota *quota)
{
	static const enum res_kind kinds[] = { RES_QUEUE, RES_FLOW, RES_UDP_PORT };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		quota->max[kinds[i]] = QUOTA_NONE;
	if (quota->max[RES_XDP] < NIC_USES)
		quota->max[RES_XDP] = NIC_USES;
}

int set_tenant_nic(struct build *b, int arg, const char *text, struct err *e)
{
	struct tenant_conf *t = &b->c->tenants[b->tenant];

	(void)arg;
	if (t->nnics == TENANT_NICS_MAX)
		return fail(e, EINVAL, "tenant \"%s\" has more than %d NICs", t->name,
			    TENANT_NICS_MAX);
	lift_limits(&t->quota);
	put_text(t->nics[t->nnics++].text, NIC_NAME_MAX, text);
	return conf_check_tenant(b->c, b->tenant, RULE_NICS, e);
}

int no_tenant_nics(struct build *b, struct err *e)
{
	return fail(e, EINVAL,
		    "the list of NICs of tenant \"%s\" is empty: `quota { xdp = 0 }` says that it "
		    "may use none",
		    b->c->tenants[b->tenant].name);
}

/* Who is given addresses may lease all of them, as far as its quota, set later, does not limit it.
 */
int set_tenant_net(struct build *b, int arg, const char *text, struct err *e)
{
	struct tenant_conf *t = &b->c->tenants[b->tenant];

	(void)arg;
	if (t->nnets == TENANT_NETS_MAX)
		return fail(e, EINVAL, "tenant \"%s\" has more than %d networks of addresses",
			    t->name, TENANT_NETS_MAX);
	if (ip_net_parse(text, &t->nets[t->nnets]) < 0)
		return fail(
			e, EINVAL,
			"\"%s\" is no network such as \"10.0.0.0/24\" or \"2001:db8::/64\", nor an "
			"address",
			text);
	t->nnets++;
	t->quota.max[RES_ADDRESS] = QUOTA_NONE;
	return conf_check_tenant(b->c, b->tenant, RULE_NETS, e);
}

/* --- a section -------------------------------------------------------------- */

int nic_begin(struct build *b, const char *title, struct err *e)
{
	struct conf *c = b->c;

	if (c->nnic_confs == CONF_NICS_MAX)
		return fail(e, EINVAL, "there are more than %d sections about NICs", CONF_NICS_MAX);
	b->nic = c->nnic_confs++;
	*nic(b) = nic_conf_defaults;
	put_text(nic(b)->name.text, NIC_NAME_MAX, title);
	return check(b, e);
}

static int set_form(struct build *b, int arg, const char *text, struct err *e)
{
	int form = nic_want_form_parse(text);

	(void)arg;
	if (form < 0 || form == NIC_WANT_EITHER)
		return fail(e, EINVAL, "xdp is auto, dispatcher or single, not \"%s\"", text);
	nic(b)->form = (uint32_t)form;
	return check(b, e);
}

static int set_mode(struct build *b, int arg, const char *text, struct err *e)
{
	int mode = nic_want_mode_parse(text);

	(void)arg;
	if (mode < 0)
		return fail(e, EINVAL, "mode is auto, native or generic, not \"%s\"", text);
	nic(b)->mode = (uint32_t)mode;
	return check(b, e);
}

/* Beyond any range stands the highest number of all. */
static int parse_number(const char *key, const char *text, uint32_t *ret, struct err *e)
{
	uint64_t n = UINT32_MAX;

	if (str_u64(text, UINT32_MAX, &n) == -EINVAL)
		return fail(e, EINVAL, "%s is a number, not \"%s\"", key, text);
	*ret = (uint32_t)n;
	return 0;
}

static int set_channels(struct build *b, int arg, const char *text, struct err *e)
{
	int r = parse_number("channels", text, &nic(b)->channels, e);

	(void)arg;
	return r < 0 ? r : check(b, e);
}

static int set_system_queues(struct build *b, int arg, const char *text, struct err *e)
{
	int r = parse_number("system-queues", text, &nic(b)->system_queues, e);

	(void)arg;
	return r < 0 ? r : check(b, e);
}

static int set_soft_flows(struct build *b, int arg, const char *text, struct err *e)
{
	bool on = false;
	int r = parse_bool("soft-flows", text, &on, e);

	(void)arg;
	if (r < 0)
		return r;
	nic(b)->soft_flows = on;
	return check(b, e);
}

const struct key nic_keys[] = {
	{ "xdp", false, 0, set_form },
	{ "mode", false, 0, set_mode },
	{ "channels", false, 0, set_channels },
	{ "system-queues", false, 0, set_system_queues },
	/* Behind `xdp`, of which one form has none. */
	{ "soft-flows", false, 0, set_soft_flows },
	{ NULL },
};
