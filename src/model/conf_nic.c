/* SPDX-License-Identifier: BSD-3-Clause */
/* What the configuration says of NICs: the rules of it, and who may use which. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "model/conf.h"

const struct nic_conf nic_conf_defaults = {
	.name = { "*" },
	.form = NIC_WANT_AUTO,
	.mode = NIC_MODE_AUTO,
	.system_queues = 1,
};

bool nic_pattern_matches(const struct nic_pattern *p, const char *name)
{
	const char *star = strchr(p->text, '*');

	if (!star)
		return !strcmp(p->text, name);
	return !strncmp(p->text, name, (size_t)(star - p->text));
}

static bool any_matches(const struct nic_pattern *list, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (nic_pattern_matches(&list[i], name))
			return true;
	return false;
}

bool conf_may_use_nic(const struct conf *c, const char *name)
{
	if (c->no_nics)
		return false;
	return !c->nnics || any_matches(c->nics, c->nnics, name);
}

bool conf_tenant_may_use_nic(const struct conf *c, uint32_t tenant, const char *name)
{
	const struct tenant_conf *t;

	if (tenant >= c->ntenants || !conf_may_use_nic(c, name))
		return false;
	t = &c->tenants[tenant];
	if (!t->quota.max[RES_XDP])
		return false;
	return !t->nnics || any_matches(t->nics, t->nnics, name);
}

uint32_t conf_nic_tenants(const struct conf *c, const char *name)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->ntenants; i++)
		n += conf_tenant_may_use_nic(c, i, name);
	return n;
}

const struct nic_conf *conf_nic(const struct conf *c, const char *name)
{
	for (uint32_t i = 0; i < c->nnic_confs; i++)
		if (nic_pattern_matches(&c->nic_confs[i].name, name))
			return &c->nic_confs[i];
	return &nic_conf_defaults;
}

static int check_pattern(const struct nic_pattern *p, struct err *e)
{
	const char *end = memchr(p->text, '\0', sizeof(p->text)), *star;

	if (!end || end == p->text)
		return fail(e, EINVAL, "a NIC's name has 1 to %d characters", NIC_NAME_MAX - 1);
	for (const char *at = p->text; at < end; at++)
		if (!isprint((unsigned char)*at))
			return fail(e, EINVAL,
				    "a NIC's name contains a byte that is no printable ASCII");
	star = strchr(p->text, '*');
	/* As a character the "*" is as good in a name as any. */
	if (!nic_name_sound(p->text) || (star && star + 1 != end))
		return fail(e, EINVAL, "\"%s\" is no NIC's name nor a pattern such as \"ens*\"",
			    p->text);
	return 0;
}

int nic_patterns_check(const struct nic_pattern *list, uint32_t n, uint32_t max, struct err *e)
{
	int r = 0;

	if (n > max)
		return fail(e, EINVAL, "a list has more than %" PRIu32 " NICs", max);
	for (uint32_t i = 0; i < n && !r; i++)
		r = check_pattern(&list[i], e);
	return r;
}

int conf_check_nics(const struct conf *c, struct err *e)
{
	if (c->no_nics > 1 || (c->no_nics && c->nnics))
		return fail(e, EINVAL, "the list of NICs contradicts itself");
	return nic_patterns_check(c->nics, c->nnics, CONF_NICS_MAX, e);
}

static int check_values(const struct nic_conf *n, struct err *e)
{
	if (n->form >= NIC_WANT_MAX || n->form == NIC_WANT_EITHER)
		return fail(e, EINVAL, "xdp is no known form");
	if (n->mode >= NIC_WANT_MODE_MAX)
		return fail(e, EINVAL, "mode is no known one");
	if (n->channels > NIC_QUEUES_MAX)
		return fail(e, EINVAL, "channels is a number from 0 to %d", NIC_QUEUES_MAX);
	if (n->system_queues >= NIC_QUEUES_MAX)
		return fail(e, EINVAL, "system-queues is a number from 0 to %d",
			    NIC_QUEUES_MAX - 1);
	if (n->soft_flows > 1)
		return fail(e, EINVAL, "soft-flows is neither true nor false");
	if (n->soft_flows && n->form == NIC_WANT_DISPATCHER)
		return fail(e, EINVAL, "soft-flows do not go with xdp = \"dispatcher\"");
	return 0;
}

int conf_check_nic(const struct conf *c, uint32_t nic, struct err *e)
{
	const struct nic_conf *n = &c->nic_confs[nic];
	int r = check_pattern(&n->name, e);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < nic; i++)
		if (!strcmp(c->nic_confs[i].name.text, n->name.text))
			return fail(e, EINVAL, "two sections describe NIC \"%s\"", n->name.text);
	return check_values(n, e);
}
