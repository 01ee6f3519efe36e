/* SPDX-License-Identifier: BSD-3-Clause */
#include "page.h"

#include <string.h>

#include "call.h"
#include "record.h"

/* As many as take some milliseconds at most. */
enum { PAGE_ROWS = 500, PAGE_LOOKS = 16384 };

static bool wants(const struct conn *c, const struct page *p, uint32_t tenant)
{
	char name[TENANT_NAME_MAX];

	return may_see(c, tenant) &&
	       (!p->tenant[0] || !strcmp(tenant_name(c->core, tenant, name), p->tenant));
}

static bool is_full(const struct page *p)
{
	return p->end || p->nrows == PAGE_ROWS || p->looks == PAGE_LOOKS;
}

/* What was found there by the last look, 0 or -ENOENT. */
static bool looked_at(struct page *p, int found, ledger_id at)
{
	p->looks++;
	p->end = found < 0;
	if (!p->end)
		p->at = at;
	return !p->end;
}

bool page_next_lease(struct conn *c, struct page *p, struct lease *ret)
{
	while (!is_full(p)) {
		int r = ledger_next_lease(c->core->ledger, p->at, ret);

		if (looked_at(p, r, ret->id) && ret->state == LEASE_HELD &&
		    (p->kind == RES_KIND_MAX || p->kind == ret->res.kind) &&
		    wants(c, p, ret->tenant)) {
			p->nrows++;
			return true;
		}
	}
	return false;
}

bool page_next_instance(struct conn *c, struct page *p, struct instance *ret)
{
	while (!is_full(p)) {
		int r = ledger_next_instance(c->core->ledger, p->at, ret);

		if (looked_at(p, r, ret->id) && wants(c, p, ret->tenant)) {
			p->nrows++;
			return true;
		}
	}
	return false;
}

void page_reply(struct conn *c, struct page *p, const char *name)
{
	json_t *reply = p->end ? json_pack("{s:o}", name, p->rows)
			       : json_pack("{s:o, s:I}", name, p->rows, "next", (json_int_t)p->at);

	p->rows = NULL;
	call_reply(c, reply);
}
