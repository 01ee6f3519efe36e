/* SPDX-License-Identifier: BSD-3-Clause */
/* What ports counted: reeved reads the maps. */
#include <stdlib.h>
#include <string.h>

#include "core.h"
#include "nic.h"

struct counting {
	nic_counted *done;
	void *arg;
};

static void counted(struct core *core, struct conn *c, void *ctx, const union pp_msg *m,
		    const int *fds)
{
	const struct counting *k = ctx;

	(void)core;
	(void)fds;
	k->done(c, k->arg, m->head.type == PP_NIC_COUNTS ? &m->nic_counts : NULL);
}

int nic_count(struct conn *c, uint32_t ifindex, uint32_t owner, const uint16_t *ports, uint32_t n,
	      nic_counted *done, void *arg)
{
	struct pp_nic_count m = {
		.head.type = PP_NIC_COUNT, .ifindex = ifindex, .owner = owner, .n = n
	};
	struct counting k = { .done = done, .arg = arg };

	memcpy(m.ports, ports, n * sizeof(*ports));
	return ask(c->core, c, &m, counted, &k, sizeof(k));
}
