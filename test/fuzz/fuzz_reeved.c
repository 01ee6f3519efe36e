/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core's requests about interfaces, as a core that is somebody else's could make
 * them, to the code of reeved that handles them; the kernel is stood in for. Each step
 * of the input is a byte that says what happens and, for a request, so many bytes as
 * its type has: what pp_check() lets through is handled. Loaders answer, the core dies
 * and another one comes. Whatever it was, all can be closed in the end, nothing is left
 * in the kernel, and no descriptor.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "unit/reeved/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DO_ATTACH = 240, DO_OWNER, DO_SOCKET, DO_DETACH, DO_FAIL, DO_LOSE, DO_DIE, DO_SWEEP };

static void start(void)
{
	struct conf *c = &host.d.conf;

	memset(&host, 0, sizeof(host));
	log_setup(-1, LOG_TEXT, LOG_ERR);
	host.d.conf_serial = 1;
	host.ens1_name = "ens1";
	host.channels = 8;
	host.ntuple_possible = true;
	conf_defaults(c);
	c->ntenants = 4;
	str_copy(c->tenants[MEDIA].name, TENANT_NAME_MAX, "media");
	str_copy(c->tenants[OTHER].name, TENANT_NAME_MAX, "other");
	c->tenants[MEDIA].quota.max[RES_XDP] = 4;
	c->tenants[OTHER].quota.max[RES_XDP] = 4;
	c->tenants[MEDIA].quota.max[RES_ADDRESS] = QUOTA_NONE;
	c->tenants[MEDIA].nnets = 2;
	assert(ip_net_parse("10.0.0.0/8", &c->tenants[MEDIA].nets[0]) == 0);
	assert(ip_net_parse("fd00::/16", &c->tenants[MEDIA].nets[1]) == 0);
	c->nnics = c->nnic_confs = 1;
	str_copy(c->nics[0].text, NIC_NAME_MAX, "ens1");
	c->nic_confs[0] = (struct nic_conf){
		.name = { "ens1" }, .channels = 4, .system_queues = 1, .soft_flows = 1
	};
	assert(conf_check(c, NULL) == 0 && nics_open(&host.d, &(struct err){ 0 }) == 0);
}

/* Without a loader under way that does such a thing nothing happens. */
static void loader_answers(uint8_t what, uint8_t how)
{
	if (what == DO_ATTACH && host_loader_does(LOADER_ATTACH))
		host_loader_attaches(how & 1 ? NIC_FORM_SINGLE : NIC_FORM_DISPATCHER, how & 2);
	else if (what == DO_OWNER && host_loader_does(LOADER_OWNER))
		host_loader_makes_owner();
	else if (what == DO_SOCKET && host_loader_does(LOADER_XSK))
		host_loader_makes_socket();
	else if (what == DO_DETACH && host_loader_does(LOADER_DETACH))
		host_loader_detaches();
	else if ((what == DO_FAIL || what == DO_LOSE) && host_loader_request())
		host_loader_fails(5, what == DO_LOSE);
}

/* How many bytes were used. */
static size_t request(const uint8_t *data, size_t size)
{
	uint32_t type = PP_NIC_OPEN + data[0] % (PP_TYPE_MAX - PP_NIC_OPEN);
	union pp_msg m = { .head = { .type = type } };
	size_t len = pp_size(type) - sizeof(type);

	if (len > size - 1)
		len = size - 1;
	memcpy((char *)&m + sizeof(type), data + 1, len);
	if (pp_check(&m, pp_size(type), 0, PP_CORE) == 0)
		nic_ops_handle(&host.d, &m);
	return 1 + len;
}

static void close_all(void)
{
	nics_close_all(&host.d);
	while (host_loader_request()) {
		loader_answers(DO_ATTACH, 1);
		loader_answers(DO_OWNER, 0);
		loader_answers(DO_SOCKET, 0);
		loader_answers(DO_DETACH, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned before = host_open_fds();

	start();
	while (size > 1) {
		size_t used = 2;

		if (data[0] < DO_ATTACH)
			used = request(data, size);
		else if (data[0] == DO_DIE)
			nics_unclaim(&host.d);
		else if (data[0] == DO_SWEEP)
			nics_sweep(&host.d);
		else
			loader_answers(data[0], data[1]);
		data += used;
		size -= used;
	}
	close_all();
	assert(nics_idle(&host.d.nics) && !host.d.nics.owners && !host.d.nics.nsockets);
	for (int i = 0; i < RULES_MOST; i++)
		assert(!host.rules[i]);
	for (int i = 0; i < GROUPS_MOST; i++)
		assert(!host.groups[i][0]);
	assert(host_open_fds() == before);
	return 0;
}
