/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPUs the policy leaves to one tenant, before anybody asks what is free. */
#ifndef REEVE_MODEL_RIGHTS_H
#define REEVE_MODEL_RIGHTS_H

#include "base/cpuset.h"

struct rights {
	struct cpuset may;	/* every CPU the tenant may lease */
	struct cpuset own;	/* kept for it alone; a part of `may` */
	struct cpuset reserved; /* kept for other tenants */
	struct cpuset never;	/* never leased to anybody */
};

#endif
